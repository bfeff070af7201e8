// A first-spike layer (tau_mem = tau_syn, threshold 1) by hand, the algorithm of eventsnn/learn/first_spike: how fast can it be?
// Usage: first_spike FILE REPEATS. FILE: int64 samples, layers, sizes...; then doubles: input times, weights.
// Prints "us_per_sample least-of-repeats" and the sum and number of finite output times.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <vector>

namespace {

typedef double Eight __attribute__((vector_size(64), aligned(8)));
typedef int64_t Mask __attribute__((vector_size(64)));
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr int kLanes = 8;

struct Scratch {
    std::vector<int> order, active;
    std::vector<double> time, gap, syn, a_factor, b_factor, p, bound, rise, a, b, v, x, h;
    explicit Scratch(int n, int m)
        : order(n), active(m), time(n), gap(n), syn(n), a_factor(n), b_factor(n), p(n), bound(n), rise(n), a(m), b(m), v(m), x(m),
          h(m) {}
};

inline bool any(Mask mask) {
    int64_t sum = 0;
    for (int i = 0; i < kLanes; ++i) sum |= mask[i];
    return sum != 0;
}

bool crosses(double v, double x, double h, double rise) {
    if (v >= 1.0) return true;
    if (!(x > 1.0)) return false;
    if (v + x * h >= rise) return true;
    const double top = std::log(x);
    return top < h && v - x + x * top >= 0.0;
}

double solve(double v, double x, double h) {
    if (v >= 1.0) return 0.0;
    if (!(x > 1.0)) return kInf;
    const double top = std::log(x);
    double p = v / x - 1.0 + top;
    if (p < 0.0 && h == kInf) return kInf;
    p = std::max(p, 0.0);
    const double r = std::sqrt(2.0 * p);
    double q = p < 2.24 ? r * (1.0 + r * (1.0 / 6 + r * (1.0 / 36 + r * (0.00427 - 0.000305 * r)))) : p + 0.98;
    double d = top - q;
    if (q >= 1e-4) {
        const double left = std::exp(-q), slope = 1.0 - left, miss = q + left - 1.0 - p;
        d = std::max(d + miss * slope / (slope * slope - 0.5 * miss * left), 0.0);
        const double rise = std::exp(d);
        d -= (v - rise + x * d) / (x - rise);
    }
    return std::min(std::max(d, 0.0), h);
}

struct Layer {
    int n, m;
    const double *weights;

    bool one(int group, int k, double *out, Scratch &s) const {
        const int at = kLanes * group, end = std::min(at + kLanes, m);
        const double *row = weights + static_cast<int64_t>(s.order[k]) * m;
        for (int j = at; j < end; ++j) {
            s.a[j] += s.a_factor[k] * row[j];
            s.b[j] += s.b_factor[k] * row[j];
            if (s.b[j] + s.a[j] * s.p[k] >= s.bound[k]) {
                const double inverse = 1.0 / s.syn[k];
                const double v = (s.a[j] * (s.time[k] - s.time[0]) + s.b[j]) * inverse, x = s.a[j] * inverse;
                if (crosses(v, x, s.gap[k], s.rise[k])) {
                    out[j] = s.time[k], s.v[j] = v, s.x[j] = x, s.h[j] = s.gap[k];
                    s.b[j] = -kInf;
                }
            }
        }
        return std::all_of(&s.b[at], &s.b[end], [](double b) { return b == -kInf; });
    }

    void run(const double *times, double *out, Scratch &s) const {
        int used = 0;
        for (int i = 0; i < n; ++i)
            if (times[i] < kInf) s.order[used++] = i;
        std::sort(s.order.begin(), s.order.begin() + used, [&](int i, int j) { return times[i] < times[j]; });
        std::fill(out, out + m, kInf);
        if (used == 0) return;
        for (int k = 0; k < used; ++k) s.time[k] = times[s.order[k]];
        for (int k = 0; k < used; ++k) {
            const double t = s.time[k] - s.time[0];
            s.gap[k] = k + 1 < used ? s.time[k + 1] - s.time[k] : 0.0;
            s.syn[k] = s.a_factor[k] = std::exp(t);
            s.b_factor[k] = -t * s.syn[k];
            s.p[k] = t + s.gap[k];
            s.bound[k] = k + 1 < used ? (1.0 - 1e-12) * s.syn[k] * (1.0 + s.gap[k]) : kInf;
            s.rise[k] = std::exp(s.gap[k]);
        }
        std::fill(s.a.begin(), s.a.begin() + m, 0.0);
        std::fill(s.b.begin(), s.b.begin() + m, 0.0);
        int live = (m + kLanes - 1) / kLanes;
        std::iota(s.active.begin(), s.active.begin() + live, 0);
        for (int k = 0; k < used && live > 0;) {
            const int inputs = used >= 32 && k + 4 <= used ? 4 : 1;
            int left = 0;
            for (int r = 0; r < live; ++r) {
                const int group = s.active[r], at = kLanes * group;
                bool flagged = true, done = false;
                if (inputs == 4 && at + kLanes <= m) {
                    Eight a = *reinterpret_cast<const Eight *>(&s.a[at]), b = *reinterpret_cast<const Eight *>(&s.b[at]);
                    Mask mask = {};
                    for (int q = k; q < k + 4; ++q) {
                        const Eight w = *reinterpret_cast<const Eight *>(weights + static_cast<int64_t>(s.order[q]) * m + at);
                        a += s.a_factor[q] * w;
                        b += s.b_factor[q] * w;
                        mask |= b + a * s.p[q] >= s.bound[q];
                    }
                    flagged = any(mask);
                    if (!flagged) {
                        *reinterpret_cast<Eight *>(&s.a[at]) = a;
                        *reinterpret_cast<Eight *>(&s.b[at]) = b;
                    }
                }
                for (int q = k; flagged && !done && q < k + inputs; ++q) done = one(group, q, out, s);
                s.active[left] = group;
                left += !done;
            }
            live = left;
            k += inputs;
        }
        for (int j = 0; j < m; ++j) {
            if (s.b[j] > -kInf) {
                const double inverse = 1.0 / s.syn[used - 1];
                s.v[j] = (s.a[j] * (s.time[used - 1] - s.time[0]) + s.b[j]) * inverse, s.x[j] = s.a[j] * inverse;
                s.h[j] = kInf, out[j] = s.time[used - 1];
            }
            out[j] += solve(s.v[j], s.x[j], s.h[j]);
        }
    }
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    FILE *file = std::fopen(argv[1], "rb");
    int64_t head[2];
    if (!file || std::fread(head, 8, 2, file) != 2) return 2;
    std::vector<int64_t> sizes(head[1] + 1);
    if (std::fread(sizes.data(), 8, sizes.size(), file) != sizes.size()) return 2;
    const int64_t samples = head[0];
    std::vector<double> times(samples * sizes[0]);
    if (std::fread(times.data(), 8, times.size(), file) != times.size()) return 2;
    std::vector<std::vector<double>> weights;
    std::vector<Layer> layers;
    for (int64_t l = 0; l < head[1]; ++l) {
        weights.emplace_back(sizes[l] * sizes[l + 1]);
        if (std::fread(weights[l].data(), 8, weights[l].size(), file) != weights[l].size()) return 2;
    }
    for (int64_t l = 0; l < head[1]; ++l)
        layers.push_back({static_cast<int>(sizes[l]), static_cast<int>(sizes[l + 1]), weights[l].data()});
    std::fclose(file);
    const int64_t widest = *std::max_element(sizes.begin(), sizes.end());
    Scratch scratch(widest + kLanes, widest + kLanes);
    std::vector<std::vector<double>> spikes(head[1] + 1, std::vector<double>(widest));
    double best = kInf, sum = 0.0;
    int64_t fired = 0;
    for (int repeat = 0; repeat < std::atoi(argv[2]); ++repeat) {
        const auto started = std::chrono::steady_clock::now();
        sum = 0.0, fired = 0;
        for (int64_t k = 0; k < samples; ++k) {
            const double *in = &times[k * sizes[0]];
            for (int64_t l = 0; l < head[1]; ++l) {
                layers[l].run(in, spikes[l].data(), scratch);
                in = spikes[l].data();
            }
            for (int64_t j = 0; j < sizes.back(); ++j)
                if (in[j] < kInf) sum += in[j], ++fired;
        }
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
    }
    std::printf("us_per_sample %.6f\nsum %.17g\nfired %lld\n", 1e6 * best / samples, sum, static_cast<long long>(fired));
}
