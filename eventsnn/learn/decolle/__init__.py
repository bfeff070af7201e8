"""DECOLLE: layers of spiking neurons that each learn from a fixed random readout of their own, while they run.

Source: Kaiser, Mostafa and Neftci (2020), "Synaptic Plasticity Dynamics for Deep Continuous Local Learning (DECOLLE)",
Front. Neurosci. 14:424. Time goes in steps of 1 ms. For layer l, input j and neuron i, with spikes S of 0 or 1,

    P_j[t] = alpha P_j[t-1] + (1 - alpha) Q_j[t-1];      Q_j[t] = beta Q_j[t-1] + (1 - beta) gain S_j[t]
    R_i[t] = gamma R_i[t-1] - rho S_i[t-1];              U_i[t] = sum_j W_ij P_j[t] + b_i + R_i[t];     S_i[t] = U_i[t] >= 0
    Y_k[t] = sum_i G_ki S_i[t] + g_k                     G, g: fixed random readout of the layer
    e_k = dL/dY_k, L = mean of smooth L1 (Y - target);   delta_i = box(U_i) sum_k G_ki e_k;     dL/dW_ij = delta_i P_j

Gradients cross neither layers nor steps, so what learning remembers is one pair of traces per input: `layers`. The order of the
modules: `shapes` (what a layer looks like), `kernels` (compiled loops), `layers` (state of part of a batch), `network`,
`inputs`, `training`; `online` is the same rule event by event.
"""
