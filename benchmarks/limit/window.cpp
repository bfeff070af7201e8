// How fast can the window algorithm be? One thread, written by hand for one kind of network: LIF neurons alike, tau_mem =
// 4 tau_syn, one delay d, d < t_ref. See README.md. Usage: window FILE REPEATS [SPIKES]; prints "key value" lines.
//
// Compile with -DROW_WEIGHT for one weight per row (4-byte synapses), else one float32 per synapse (8 bytes);
// -DHORIZON=h: neurons that rise by their bias alone are looked for every h windows.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <vector>
#ifdef __linux__
#include <sys/mman.h>
#endif

#ifndef HORIZON
#define HORIZON 2
#endif

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr int kStateAhead = 16;  // synapses
constexpr int kRowsAhead = 2, kPointersAhead = 6;
constexpr double kSlack = 1e-12;
constexpr double kPeak = 27.0 / 256.0;  // the peak of a x - b x^4 is 1 where b = kPeak a^4

typedef double Four __attribute__((vector_size(32)));
typedef int64_t FourInts __attribute__((vector_size(32)));

// V - threshold = margin + x0 e^(-t/tau_mem) - x1 e^(-t/tau_syn), t since the start of the epoch. margin is -inf while
// refractory; a hot neuron has margin +inf and its place in the pool in `own`, else `own` is its margin.
struct alignas(32) Record {
    double margin, x0, x1, own;
};

struct Hot {  // a neuron whose crossing is under way: state at its last event, at time t
    double a, b, t, margin;
    uint32_t neuron;
    bool live;
};

struct Crossed {
    double a, b, t, margin, until;
    uint32_t neuron;
};

struct Spike {
    double t;
    int64_t id;
    bool operator<(const Spike& o) const { return t < o.t || (t == o.t && id < o.id); }
};

struct alignas(32) Row {
    int64_t first;
    int32_t count, in_fours;  // synapses; of which may be taken four at a time
    double weight;
    int64_t unused;
};

struct Header {
    int64_t neurons, rows, synapses, inputs;
    double tau_mem, tau_syn, threshold, v_inf, v_reset, t_ref, delay, until;
};

template <class T>
T* allocate(size_t n) {  // zeroed, on huge pages where there are any
    size_t bytes = ((n * sizeof(T) >> 21) + 1) << 21;
    void* p = std::aligned_alloc(1 << 21, bytes);
    if (!p) std::exit(3);
#ifdef __linux__
    madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<T*>(std::memset(p, 0, bytes));
}

double cpu_seconds() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

template <class T>
void read(FILE* f, T* to, size_t n) {
    if (std::fread(to, sizeof(T), n, f) != n) std::exit(2);
}

struct Engine {
    Header h;
    Record* record;
    Row* row;
    uint32_t* target;
    float* weight;
    std::vector<double> v_init;
    std::vector<Spike> input;
    double gain;  // a unit of weight adds this much to x0 and x1
    double margin;
    int64_t windows_per_epoch;

    std::vector<Hot> pool;
    std::vector<uint32_t> free_places;
    std::vector<Crossed> crossed;
    std::vector<Spike> queue, ends, spikes, found, sorted;  // queue: rows still to be delivered, times of the spikes
    size_t queue_at, ends_at;
    double epoch, horizon0, horizon1;  // decay factors at the end of the horizon
    int64_t events;

    void load(const char* path) {
        FILE* f = std::fopen(path, "rb");
        if (!f) std::exit(2);
        read(f, &h, 1);
        std::vector<int64_t> pointer(h.rows + 1), input_row(h.inputs);
        std::vector<double> input_time(h.inputs);
        std::vector<float> w(h.synapses);
        v_init.resize(h.neurons);
        record = allocate<Record>(h.neurons);
        row = allocate<Row>(h.rows + 1);
        target = allocate<uint32_t>(h.synapses + 4 * kStateAhead);
        read(f, pointer.data(), h.rows + 1);
        read(f, target, h.synapses);
        read(f, w.data(), h.synapses);
        read(f, v_init.data(), h.neurons);
        read(f, input_time.data(), h.inputs);
        read(f, input_row.data(), h.inputs);
        std::fclose(f);
        if (std::fabs(h.tau_mem - 4.0 * h.tau_syn) > 1e-12 * h.tau_mem || h.t_ref <= h.delay) std::exit(4);
        for (int64_t i = 0; i < h.inputs; i++) input.push_back({input_time[i], input_row[i]});
        for (int64_t r = 0; r < h.rows; r++) {
            int64_t first = pointer[r];
            int32_t count = pointer[r + 1] - first, fours = count & ~3;
            for (int32_t k = 0; k < fours; k++)  // an equal target within a group of four
                for (int32_t l = k & ~3; l < k; l++)
                    if (target[first + k] == target[first + l]) fours = std::min(fours, k & ~3);
            row[r] = {first, count, fours, count ? w[first] : 0.0, 0};
        }
#ifndef ROW_WEIGHT
        weight = allocate<float>(h.synapses + 4 * kStateAhead);
        std::copy(w.begin(), w.end(), weight);
#endif
        gain = h.tau_syn / (h.tau_mem - h.tau_syn);
        margin = h.v_inf - h.threshold;
        windows_per_epoch = std::max<int64_t>(1, 6.0 * h.tau_mem / h.delay);
    }

    void reset() {
        for (int64_t j = 0; j < h.neurons; j++) record[j] = {margin, v_init[j] - h.v_inf, 0.0, margin};
        pool.clear(), free_places.clear(), queue.clear(), ends.clear(), spikes.clear();
        queue_at = ends_at = events = 0, epoch = 0.0;
    }

    // Will the neuron cross by the end of the horizon (bias), or ever (no bias), without another arrival?
    template <bool kBias>
    bool will_cross(const Record& r, double m, double a, double b) const {
        if (kBias) return m + horizon0 * r.x0 - horizon1 * r.x1 >= 0.0;
        double square = a * a, unit = -m;
        return a > unit && a < 4.0 * b && 27.0 * square * square > 256.0 * b * (unit * unit * unit);
    }

    // Has a hot neuron crossed by the time its modes are a, b?
    template <bool kBias>
    static bool has_crossed(double m, double a, double b) {
        return m + a - b >= 0.0 || (!kBias && a > 4.0 * b);
    }

    void make_hot(Record& r, uint32_t j, double a, double b, double t) {
        uint32_t place;
        if (free_places.empty()) {
            place = pool.size();
            pool.push_back({});
        } else {
            place = free_places.back();
            free_places.pop_back();
        }
        pool[place] = {a, b, t, r.own, j, true};
        r.margin = kInf;
        r.own = place;
    }

    void cool(Record& r, double to) {
        uint32_t place = r.own;
        pool[place].live = false;
        free_places.push_back(place);
        r.own = pool[place].margin;
        r.margin = to;
    }

    void spike(Record& r, double until) {
        const Hot& hot = pool[uint32_t(r.own)];
        crossed.push_back({hot.a, hot.b, hot.t, hot.margin, until, hot.neuron});
        cool(r, -kInf);
    }

    // One arrival at a neuron that the quick test could not dismiss. e0, e1: decay since the start of the epoch.
    template <bool kBias>
    __attribute__((noinline)) void arrive(uint32_t j, double da, double db, double e0, double e1, double t) {
        Record& r = record[j];
        bool hot = r.margin == kInf;
        if (hot && has_crossed<kBias>(pool[uint32_t(r.own)].margin, r.x0 * e0, r.x1 * e1)) spike(r, t), hot = false;
        r.x0 += da;
        r.x1 += db;
        if (r.margin == -kInf) return;
        double m = hot ? pool[uint32_t(r.own)].margin : r.margin, a = r.x0 * e0, b = r.x1 * e1;
        if (!will_cross<kBias>(r, m, a, b)) {
            if (hot) cool(r, m);
        } else if (hot) {
            Hot& entry = pool[uint32_t(r.own)];
            entry.a = a, entry.b = b, entry.t = t;
        } else {
            make_hot(r, j, a, b, t);
        }
    }

    template <bool kBias>
    void end_refractory(const Spike& end) {
        double t = end.t - epoch, e0 = std::exp(-t / h.tau_mem), e1 = std::exp(-t / h.tau_syn);
        Record& r = record[end.id];
        double b = r.x1 * e1, a = h.v_reset - h.v_inf + b;
        r.x0 = a / e0;
        r.margin = r.own;
        if (will_cross<kBias>(r, r.own, a, b)) make_hot(r, end.id, a, b, end.t);
    }

    void prefetch_row(int64_t id) const {
        const Row& r = row[id];
        for (int64_t k = r.first; k < r.first + r.count + 15; k += 16) {
            __builtin_prefetch(target + k);
#ifndef ROW_WEIGHT
            __builtin_prefetch(weight + k);
#endif
        }
    }

    double weight_of(const Row& r, int64_t k) const {
#ifdef ROW_WEIGHT
        return r.weight;
#else
        return weight[k];
#endif
    }

    // All synapses of one row. peak0: quick bound on x0; without a bias the test is "x0 above it, and the peak above 1".
    template <bool kBias, bool kTest>
    void deliver(const Row& r, double t, double e0, double e1) {
        const double f0 = gain / e0, f1 = gain / e1, unit = -margin;
        const double peak0 = unit * (4.0 / 3.0) / e0 * (1.0 - kSlack);
        const double curve = kPeak * (1.0 + kSlack) / (unit * unit * unit);
        const double near = -kSlack * std::fabs(h.threshold - h.v_reset);
        int64_t k = r.first;
        const int64_t end = k + r.count, fours = k + r.in_fours;
        for (; k < fours; k += 4) {
            Four add[4], x[4];
            Record* to[4];
            for (int l = 0; l < 4; l++) {
                __builtin_prefetch(record + target[k + l + kStateAhead], 1);
                to[l] = record + target[k + l];
                double w = weight_of(r, k + l);
                add[l] = Four{0.0, w * f0, w * f1, 0.0};
                std::memcpy(&x[l], to[l], sizeof(Four));
                x[l] += add[l];
            }
            if (kTest) {
                Four low = __builtin_shuffle(x[0], x[1], FourInts{0, 4, 1, 5});
                Four high = __builtin_shuffle(x[2], x[3], FourInts{0, 4, 1, 5});
                Four m = __builtin_shuffle(low, high, FourInts{0, 1, 4, 5});
                Four a = __builtin_shuffle(low, high, FourInts{2, 3, 6, 7});
                low = __builtin_shuffle(x[0], x[1], FourInts{2, 6, 2, 6});
                high = __builtin_shuffle(x[2], x[3], FourInts{2, 6, 2, 6});
                Four b = __builtin_shuffle(low, high, FourInts{0, 1, 4, 5});
                FourInts flag;
                if (kBias) {
                    flag = m + horizon0 * a - horizon1 * b >= near;
                } else {
                    Four square = a * a;
                    flag = ((a > peak0) & (curve * (square * square) > b) & (m > -kInf)) | (m == kInf);
                }
                if (__builtin_expect((flag[0] | flag[1] | flag[2] | flag[3]) != 0, 0)) {
                    for (int l = 0; l < 4; l++) {
                        if (flag[l])
                            arrive<kBias>(target[k + l], add[l][1], add[l][2], e0, e1, t);
                        else
                            std::memcpy(to[l], &x[l], sizeof(Four));
                    }
                    continue;
                }
            }
            for (int l = 0; l < 4; l++) std::memcpy(to[l], &x[l], sizeof(Four));
        }
        for (; k < end; k++) {
            double w = weight_of(r, k);
            Record& to = record[target[k]];
            double x0 = to.x0 + w * f0, x1 = to.x1 + w * f1;
            bool flag = kTest && (to.margin == kInf ||
                                  (kBias ? to.margin + horizon0 * x0 - horizon1 * x1 >= near
                                         : to.margin > -kInf && x0 > peak0 && curve * (x0 * x0) * (x0 * x0) > x1));
            if (flag)
                arrive<kBias>(target[k], w * f0, w * f1, e0, e1, t);
            else
                to.x0 = x0, to.x1 = x1;
        }
        events += r.count;
    }

    // Time of the crossing: the first root of m + a x - b x^4 below x = 1, x = e^(-s/tau_mem).
    template <bool kBias>
    double solve(const Crossed& c) const {
        const double f0 = c.margin + c.a - c.b, slope = 4.0 * c.b - c.a;
        double x;
        if (c.b < 0.0) {
            x = std::exp(-(c.until - c.t) / h.tau_mem);  // convex: Newton is monotone from the far side
        } else {  // concave: monotone from x = 1, or better from the parabola that touches there
            double root = slope * slope + 24.0 * c.b * f0;
            x = 1.0 + 2.0 * f0 / (slope + std::sqrt(std::max(root, 0.0)));
            if (!(x > 0.0) || !(c.a - 4.0 * c.b * x * x * x < 0.0)) x = 1.0;
        }
        for (int turn = 0; turn < 60; turn++) {
            double cube = x * x * x, down = c.a - 4.0 * c.b * cube;
            if (!(down < 0.0)) return c.t - h.tau_mem * std::log(std::cbrt(c.a / (4.0 * c.b)));  // grazes: the peak
            double step = (c.margin + (c.a - c.b * cube) * x) / down;
            x -= step;
            if (std::fabs(step) < 1e-15 || (turn > 2 && std::fabs(step) < 1e-9)) break;
        }
        return c.t - h.tau_mem * std::log(std::min(x, 1.0));
    }

    void sort_found(double from) {  // buckets by time, then insertion
        size_t n = found.size();
        if (n > 16) {
            static std::vector<uint32_t> count, key;
            count.assign(n + 1, 0), key.resize(n), sorted.resize(n);
            double scale = n / h.delay;
            for (size_t i = 0; i < n; i++) {
                double bucket = (found[i].t - from) * scale;
                key[i] = std::min(std::max(bucket, 0.0), double(n - 1));
                count[key[i] + 1]++;
            }
            for (size_t i = 0; i < n; i++) count[i + 1] += count[i];
            for (size_t i = 0; i < n; i++) sorted[count[key[i]]++] = found[i];
            found.swap(sorted);
        }
        for (size_t i = 1; i < n; i++) {
            Spike s = found[i];
            size_t k = i;
            for (; k > 0 && s < found[k - 1]; k--) found[k] = found[k - 1];
            found[k] = s;
        }
    }

    // Neurons that reach the threshold within the new horizon by themselves.
    void look_ahead(double from) {
        double e0 = std::exp(-(from - epoch) / h.tau_mem), e1 = std::exp(-(from - epoch) / h.tau_syn);
        for (int64_t j = 0; j < h.neurons; j++) {
            Record& r = record[j];
            double reached = r.margin + horizon0 * r.x0 - horizon1 * r.x1;
            if (__builtin_expect(reached >= 0.0 && reached < kInf, 0)) make_hot(r, j, r.x0 * e0, r.x1 * e1, from);
        }
    }

    void close_window(double from, double to, size_t& next_input) {
        found.clear();
        double e0 = std::exp(-(to - epoch) / h.tau_mem), e1 = std::exp(-(to - epoch) / h.tau_syn);
        for (const Hot& hot : pool) {
            if (!hot.live) continue;
            Record& r = record[hot.neuron];
            bool is = margin > 0.0 ? has_crossed<true>(hot.margin, r.x0 * e0, r.x1 * e1)
                                   : has_crossed<false>(hot.margin, r.x0 * e0, r.x1 * e1);
            if (is) spike(r, to);
        }
        for (const Crossed& c : crossed) found.push_back({margin > 0.0 ? solve<true>(c) : solve<false>(c), c.neuron});
        crossed.clear();
        sort_found(from);
        if (queue_at == queue.size()) queue.clear(), queue_at = 0;
        for (const Spike& s : found) {
            while (next_input < input.size() && input[next_input].t <= s.t) queue.push_back(input[next_input++]);
            queue.push_back(s);
            spikes.push_back(s);
            ends.push_back({s.t + h.t_ref, s.id});
        }
        while (next_input < input.size() && input[next_input].t < to) queue.push_back(input[next_input++]);
    }

    void rescale(double start) {
        double e0 = std::exp(-(start - epoch) / h.tau_mem), e1 = std::exp(-(start - epoch) / h.tau_syn);
        for (int64_t j = 0; j < h.neurons; j++) record[j].x0 *= e0, record[j].x1 *= e1;
        epoch = start;
    }

    template <bool kBias>
    void run() {
        size_t next_input = 0;
        int64_t horizon_end = 0;
        for (int64_t w = 0; w * h.delay < h.until; w++) {
            double from = w * h.delay, to = std::min((w + 1) * h.delay, h.until);
            if (w && w % windows_per_epoch == 0) rescale(from), horizon_end = w;
            if (kBias && w == horizon_end) {
                horizon_end = std::min(w + HORIZON, (w / windows_per_epoch + 1) * windows_per_epoch);
                double ahead = horizon_end * h.delay - epoch;
                horizon0 = std::exp(-ahead / h.tau_mem), horizon1 = std::exp(-ahead / h.tau_syn);
                look_ahead(from);
            }
            for (; queue_at < queue.size(); queue_at++) {
                double t = queue[queue_at].t + h.delay;
                if (t >= to) break;
                for (; ends_at < ends.size() && ends[ends_at].t <= t; ends_at++) end_refractory<kBias>(ends[ends_at]);
                if (queue_at + kPointersAhead < queue.size()) __builtin_prefetch(row + queue[queue_at + kPointersAhead].id);
                if (queue_at + kRowsAhead < queue.size()) prefetch_row(queue[queue_at + kRowsAhead].id);
                double since = t - epoch;
                deliver<kBias, true>(row[queue[queue_at].id], t, std::exp(-since / h.tau_mem), std::exp(-since / h.tau_syn));
            }
            for (; ends_at < ends.size() && ends[ends_at].t < to; ends_at++) end_refractory<kBias>(ends[ends_at]);
            close_window(from, to, next_input);
        }
    }

    // The floor: the same rows in the same order, accumulated into `T` per neuron and not tested.
    void replay(const std::vector<Spike>& order) {
        for (size_t i = 0; i < order.size(); i++) {
            if (i + kPointersAhead < order.size()) __builtin_prefetch(row + order[i + kPointersAhead].id);
            if (i + kRowsAhead < order.size()) prefetch_row(order[i + kRowsAhead].id);
            double since = std::fmod(order[i].t, windows_per_epoch * h.delay);
            deliver<true, false>(row[order[i].id], 0.0, std::exp(-since / h.tau_mem), std::exp(-since / h.tau_syn));
        }
    }

    // The same with 16 bytes per neuron: two modes, nothing else.
    void replay_two(const std::vector<Spike>& order) {
        typedef double Two __attribute__((vector_size(16)));
        Two* state = reinterpret_cast<Two*>(record);
        for (size_t i = 0; i < order.size(); i++) {
            if (i + kPointersAhead < order.size()) __builtin_prefetch(row + order[i + kPointersAhead].id);
            if (i + kRowsAhead < order.size()) prefetch_row(order[i + kRowsAhead].id);
            double since = std::fmod(order[i].t, windows_per_epoch * h.delay);
            const Row& r = row[order[i].id];
            const Two f = {gain * std::exp(since / h.tau_mem), gain * std::exp(since / h.tau_syn)};
            for (int64_t k = r.first; k < r.first + r.count; k++) {
                __builtin_prefetch(state + target[k + kStateAhead], 1);
                state[target[k]] += weight_of(r, k) * f;
            }
            events += r.count;
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 1;
    Engine e;
    e.load(argv[1]);
    for (int repeat = 0; repeat < std::atoi(argv[2]); repeat++) {
        e.reset();
        double begun = cpu_seconds();
        e.margin > 0.0 ? e.run<true>() : e.run<false>();
        std::printf("full %.4f\n", 1e9 * (cpu_seconds() - begun) / e.events);
    }
    std::printf("spikes %zu\nevents %lld\nhot_places %zu\n", e.spikes.size(), (long long)e.events, e.pool.size());
    std::vector<Spike> order(e.spikes);
    if (argc > 3) {
        FILE* f = std::fopen(argv[3], "wb");
        if (!f || std::fwrite(order.data(), sizeof(Spike), order.size(), f) != order.size() || std::fclose(f)) return 2;
    }
    order.insert(order.end(), e.input.begin(), e.input.end());
    std::sort(order.begin(), order.end());
    for (int repeat = 0; repeat < std::atoi(argv[2]); repeat++) {
        for (bool two : {false, true}) {
            e.reset();
            double begun = cpu_seconds();
            two ? e.replay_two(order) : e.replay(order);
            std::printf("%s %.4f\n", two ? "floor16" : "floor32", 1e9 * (cpu_seconds() - begun) / e.events);
        }
    }
}
