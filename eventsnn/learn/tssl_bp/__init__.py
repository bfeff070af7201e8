"""TSSL-BP: training by errors of filtered output spike trains, carried back through spike times, step by step.

Source: Zhang and Li (2020), "Temporal Spike Sequence Learning via Backpropagation for Deep Spiking Neural Networks", NeurIPS,
arXiv 2002.10085, in the form of the authors' code (stonezwr/TSSL-BP, ffaac71). Time goes in steps t = 0 ... T - 1; tau_m and
tau_s are in steps, p = 1 / tau_m, q = 1 / tau_s. With a_pre the filtered spikes of the layer before (or of the input),

    u[t] = (1 - p) u+[t-1] + W a_pre[t];   s[t] = u[t] > 1;   u+[t] = u[t] (1 - s[t]);   a[t] = (1 - q) a[t-1] + q s[t]

and all layers of a step are passed in turn. Backwards, from g[t] = dL/da[t] and du[t] = u[t] - u+[t-1]:

    E[t] = q g[t] + (1 - q) E[t+1]
    d[t] = min(1 / du[t], 8) (E[t] + p u[t] d[t+1])      where s[t]: by the time of the spike, and by the reset that follows
    d[t] = (1 - p) d[t+1]                                elsewhere: through the leak
    delta[t] = d[t], or E[t] f(u[t]) where a[t] < q / 4: f is the derivative of a logistic function of width 0.2
    dL/dW = sum_t delta[t] a_pre[t]^T;    dL/da_pre[t] = W^T delta[t]

The order of the modules: `shapes` (what a layer looks like), `kernels` (compiled loops), `layers` (one layer on part of a
batch), `network`, `inputs` (samples), `losses`, `config`, `checkpoint`, `training`; `recipes` (tasks), `models` (files),
`patterns` (given spike trains), `continuous` (the rule in continuous time, on the event engine).
"""
