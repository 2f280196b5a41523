// CUDA's words for g++: a block's threads are coroutines of one thread of the CPU, which run from barrier to barrier.
//
// Between two barriers (or exchanges of a warp) the threads of a block run one after the other: in ascending or descending
// order, as asked. A kernel without races gives the same bits in both. It is an error if some threads of a block wait at
// a barrier that others do not reach, or some lanes of a warp exchange values without the others.
#include <csetjmp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define __device__
#define __global__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(threads)
#define QLIT_SHARED(name) Real* const name = reinterpret_cast<Real*>(shim::dynamic_shared.data())

struct int4 {
    int x, y, z, w;
};
struct Index {
    unsigned x, y;
};

static Index threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

enum class State { ready, at_barrier, in_exchange, done };

struct Fiber {
    ucontext_t context;
    jmp_buf place;
    char* stack = nullptr;
    State state = State::done;
    bool made = false, started = false;
    int turn = 0;            // of its two exchange slots
    double sent[2] = {};     // wide enough for a float as well
    void* fake_stack = nullptr;
};

constexpr int kMostThreads = 1024, kStackBytes = 256 << 10, kWarp = 32;
static Fiber fibers[kMostThreads];
static Fiber* current = nullptr;
static jmp_buf scheduler_place;
static ucontext_t scheduler;
static std::vector<char> dynamic_shared;
static void (*body)(const void*) = nullptr;
static const void* argument = nullptr;
static const char* fault = nullptr;

#ifdef __SANITIZE_ADDRESS__
static const void* scheduler_stack = nullptr;
static size_t scheduler_bytes = 0;
static void* scheduler_fake = nullptr;
#endif

static void leave(State state) {
    Fiber& fiber = *current;
    fiber.state = state;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&fiber.fake_stack, scheduler_stack, scheduler_bytes);
    swapcontext(&fiber.context, &scheduler);
    __sanitizer_finish_switch_fiber(fiber.fake_stack, &scheduler_stack, &scheduler_bytes);
#else
    if (!_setjmp(fiber.place)) _longjmp(scheduler_place, 1);
#endif
}

static void run_forever() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_bytes);
#endif
    for (;;) {
        body(argument);
        leave(State::done);
    }
}

static void enter(int k) {
    current = &fibers[k];
    threadIdx = {unsigned(k), 0};
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&scheduler_fake, current->stack, kStackBytes);
    swapcontext(&scheduler, &current->context);
    __sanitizer_finish_switch_fiber(scheduler_fake, nullptr, nullptr);
#else
    if (_setjmp(scheduler_place)) return;
    if (current->started) _longjmp(current->place, 1);
    current->started = true;
    setcontext(&current->context);
#endif
}

static void prepare(int k) {
    Fiber& fiber = fibers[k];
    if (!fiber.stack) fiber.stack = static_cast<char*>(std::malloc(kStackBytes));
    if (fiber.state != State::done || !fiber.made) {  // the first time, and after a fault
        fiber.made = true, fiber.started = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack;
        fiber.context.uc_stack.ss_size = kStackBytes;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_forever, 0);
    }
    fiber.state = State::ready;
}

static int count(int begin, int end, State state) {
    int number = 0;
    for (int k = begin; k < end; k++) number += fibers[k].state == state;
    return number;
}

// Runs a warp until its lanes wait at a barrier or have ended.
static void run_warp(int begin, int end, bool descending) {
    for (;;) {
        for (int n = begin; n < end; n++) {
            const int k = descending ? end - 1 - (n - begin) : n;
            if (fibers[k].state == State::ready) enter(k);
        }
        const int exchanging = count(begin, end, State::in_exchange);
        if (!exchanging) return;
        if (exchanging < end - begin) {
            fault = "some lanes of a warp exchange values without the others";
            return;
        }
        for (int k = begin; k < end; k++) fibers[k].state = State::ready;
    }
}

static void run_block(int num_threads, bool descending) {
    for (int k = 0; k < num_threads; k++) prepare(k);
    for (;;) {
        const int num_warps = (num_threads + kWarp - 1) / kWarp;
        for (int n = 0; n < num_warps && !fault; n++) {
            const int warp = descending ? num_warps - 1 - n : n;
            run_warp(warp * kWarp, warp * kWarp + kWarp < num_threads ? warp * kWarp + kWarp : num_threads, descending);
        }
        const int done = count(0, num_threads, State::done);
        if (fault || done == num_threads) break;
        if (done) {
            fault = "some threads of a block wait at a barrier that others do not reach";
            break;
        }
        for (int k = 0; k < num_threads; k++) fibers[k].state = State::ready;
    }
}

}  // namespace shim

static inline void __syncthreads() { shim::leave(shim::State::at_barrier); }

template <class T>
static inline T __shfl_xor_sync(unsigned, T value, int mask) {
    shim::Fiber& own = *shim::current;
    const int turn = own.turn ^= 1, lane = threadIdx.x;
    own.sent[turn] = value;
    shim::leave(shim::State::in_exchange);
    return T(shim::fibers[lane ^ mask].sent[turn]);
}

static inline int __popc(unsigned value) { return __builtin_popcount(value); }
