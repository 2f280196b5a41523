#include "limits.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

namespace qlit {
namespace {

// The same three loops for each vector width. The empty asm keeps a loop from being taken out of its outer one.
//   multiply_add: 12 independent chains hide the latency of two units, and fit 16 registers with their two constants.
//   scale, copy:  four vectors a turn; num_bytes is a multiple of kStep.
constexpr int kChains = 12;
constexpr int64_t kStep = 256;

#define QLIT_LOOPS(NAME, TARGET, BYTES)                                                                     \
    namespace NAME {                                                                                        \
    typedef float V __attribute__((vector_size(BYTES)));                                                    \
    constexpr int64_t kLanes = BYTES / sizeof(float);                                                       \
    TARGET float multiply_add(int64_t rounds) {                                                             \
        V x[kChains], factor = {}, term = {};                                                               \
        factor = factor + 0.9999f;                                                                          \
        term = term + 1e-4f;                                                                                \
        for (int k = 0; k < kChains; k++) x[k] = factor + float(k);                                         \
        for (int64_t round = 0; round < rounds; round++) {                                                  \
            _Pragma("GCC unroll 12") for (int k = 0; k < kChains; k++) x[k] = x[k] * factor + term;         \
            __asm__ volatile("");                                                                           \
        }                                                                                                   \
        float sum = 0;                                                                                      \
        for (int k = 0; k < kChains; k++)                                                                   \
            for (int lane = 0; lane < kLanes; lane++) sum += x[k][lane];                                    \
        return sum;                                                                                         \
    }                                                                                                       \
    TARGET void scale(float* data, const float*, int64_t num_bytes) {                                       \
        V* x = reinterpret_cast<V*>(data);                                                                  \
        V factor = {};                                                                                      \
        factor = factor + 0.9999f;                                                                          \
        const int64_t n = num_bytes / BYTES;                                                                \
        for (int64_t k = 0; k < n; k += 4)                                                                  \
            _Pragma("GCC unroll 4") for (int u = 0; u < 4; u++) x[k + u] = x[k + u] * factor;               \
    }                                                                                                       \
    TARGET void copy(float* to, const float* from, int64_t num_bytes) {                                     \
        V* y = reinterpret_cast<V*>(to);                                                                    \
        const V* x = reinterpret_cast<const V*>(from);                                                      \
        const int64_t n = num_bytes / BYTES;                                                                \
        for (int64_t k = 0; k < n; k += 4) {                                                                \
            _Pragma("GCC unroll 4") for (int u = 0; u < 4; u++) y[k + u] = x[k + u];                        \
            __asm__ volatile("" ::: "memory"); /* or it would become a call of memcpy */                    \
        }                                                                                                   \
    }                                                                                                       \
    }

QLIT_LOOPS(plain, , 16)
#if defined(__x86_64__)
QLIT_LOOPS(avx2, __attribute__((target("avx2,fma"))), 32)
QLIT_LOOPS(avx512, __attribute__((target("avx512f"))), 64)
#endif

struct Loops {
    const char* name;
    int64_t lanes;
    float (*multiply_add)(int64_t);
    void (*scale)(float*, const float*, int64_t);
    void (*copy)(float*, const float*, int64_t);
};

Loops widest() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return {"avx512", avx512::kLanes, avx512::multiply_add, avx512::scale, avx512::copy};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return {"avx2", avx2::kLanes, avx2::multiply_add, avx2::scale, avx2::copy};
#endif
    return {"plain", plain::kLanes, plain::multiply_add, plain::scale, plain::copy};
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Runs work(thread, rounds) on all threads at once, again and again, until the time is spent; returns the highest
// number of rounds per second of all trials. A trial lasts about a tenth of the time, at most 5 ms, from the start of its
// first thread to the end of its last: other threads may start before this one.
double most_rounds_a_second(int num_threads, double seconds, const std::function<void(int, int64_t)>& work) {
    std::barrier<> barrier(num_threads);
    std::atomic<int64_t> rounds{1};
    std::atomic<bool> done{false};
    double best = 0;
    std::vector<std::pair<double, double>> spans(size_t(num_threads), {0.0, 0.0});
    const auto trial = [&](int thread) {
        auto& [start, end] = spans[size_t(thread)];
        start = now();
        work(thread, rounds);
        end = now();
        barrier.arrive_and_wait();
    };
    const auto helper = [&](int thread) {
        for (;;) {
            barrier.arrive_and_wait();
            if (done) return;
            trial(thread);
        }
    };
    std::vector<std::jthread> helpers;
    try {
        for (int thread = 1; thread < num_threads; thread++) helpers.emplace_back(helper, thread);
    } catch (...) {  // no more threads available: release those that wait, as if the missing ones had arrived
        done = true;
        for (size_t k = helpers.size(); k + 1 < size_t(num_threads); k++) barrier.arrive_and_drop();
        barrier.arrive_and_drop();
        throw;
    }
    const double long_enough = std::min(5e-3, seconds / 10), end = now() + seconds;
    do {
        barrier.arrive_and_wait();
        trial(0);
        double first = spans[0].first, last = spans[0].second;
        for (const auto& [start, end] : spans) first = std::min(first, start), last = std::max(last, end);
        const double took = last - first;
        if (took < long_enough / 2)
            rounds = 2 * rounds;
        else
            best = std::max(best, double(rounds) / took);
    } while (now() < end || best == 0);
    done = true;
    barrier.arrive_and_wait();
    return best;
}

double flops(const Loops& loops, int num_threads, double seconds) {
    constexpr int64_t kRounds = 1000;
    std::atomic<float> kept{0};  // keeps the compiler from removing a computation without a reader
    const double rounds = most_rounds_a_second(num_threads, seconds, [&](int, int64_t n) {
        kept.store(loops.multiply_add(kRounds * n), std::memory_order_relaxed);
    });
    return rounds * double(2 * kRounds * kChains * loops.lanes) * num_threads;
}

struct Free {
    void operator()(void* data) const { std::free(data); }
};

Bandwidth bandwidth(const Loops& loops, std::string level, int64_t bytes, int num_threads, double seconds) {
    constexpr int64_t kPage = 4096;
    bytes = std::max(bytes / kPage * kPage, kPage);
    std::vector<std::unique_ptr<float, Free>> memory;
    for (int thread = 0; thread < num_threads; thread++) {
        memory.emplace_back(static_cast<float*>(std::aligned_alloc(kPage, size_t(bytes))));
        if (!memory.back()) throw std::bad_alloc();
        std::fill_n(memory.back().get(), bytes / int64_t(sizeof(float)), 1.f);
    }
    const double scaled = most_rounds_a_second(num_threads, seconds / 2, [&](int thread, int64_t n) {
        // Many rounds of 0.9999 would end in denormal numbers, which are slow; an occasional restart costs little.
        float* data = memory[size_t(thread)].get();
        for (int64_t round = 0; round < n; round++) {
            if (round % 4096 == 0 && data[0] < 1e-10f) std::fill_n(data, bytes / int64_t(sizeof(float)), 1.f);
            loops.scale(data, nullptr, bytes);
        }
    });
    const double copied = most_rounds_a_second(num_threads, seconds / 2, [&](int thread, int64_t n) {
        float* data = memory[size_t(thread)].get();
        for (int64_t round = 0; round < n; round++) loops.copy(data + bytes / 2 / int64_t(sizeof(float)), data, bytes / 2);
    });
    return {std::move(level), bytes, scaled * 2.0 * double(bytes) * num_threads, copied * double(bytes) * num_threads};
}

// Size of a cache; a common size if the system does not report it, and 0, no cache, for L3.
int64_t cache_bytes(int level) {
    for (int index = 0; index < 8; index++) {  // Linux; libraries may report the caches of the whole host
        const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
        std::ifstream level_file(folder + "level"), type_file(folder + "type"), size_file(folder + "size");
        int found = 0;
        int64_t size = 0;
        std::string type;
        char unit = 'B';
        if (!(level_file >> found) || !(type_file >> type) || !(size_file >> size)) continue;
        size_file >> unit;
        if (found == level && type != "Instruction") return size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
    }
    return level == 1 ? 32 << 10 : level == 2 ? 512 << 10 : 0;
}

}  // namespace

Limits measure_limits(int num_threads, double seconds) {
    if (num_threads < 1) throw std::invalid_argument("`num_threads >= 1` must hold, but got " + std::to_string(num_threads) + ".");
    if (!(seconds > 0) || !std::isfinite(seconds))
        throw std::invalid_argument("`seconds > 0` must hold, but got " + std::to_string(seconds) + ".");
    const Loops loops = widest();
    // Half a cache each, because the rest of the process uses it too; L3 is shared.
    const int64_t l1 = cache_bytes(1) / 2, l2 = cache_bytes(2) / 2, l3 = cache_bytes(3) / 2 / num_threads;
    const int64_t ram = std::clamp<int64_t>(4 * cache_bytes(3), 128 << 20, 1 << 30) / num_threads;
    std::vector<std::pair<std::string, int64_t>> sets{{"L1", l1}, {"L2", l2}};
    if (l3 > 2 * l2) sets.emplace_back("L3", l3);
    sets.emplace_back("RAM", ram);

    const double each = seconds / double(sets.size() + 2);
    Limits limits{loops.name, num_threads, flops(loops, 1, each), 0, {}};
    limits.flops = num_threads == 1 ? limits.flops_one_thread : flops(loops, num_threads, each);
    for (const auto& [level, bytes] : sets) limits.bandwidths.push_back(bandwidth(loops, level, bytes, num_threads, each));
    return limits;
}

}  // namespace qlit
