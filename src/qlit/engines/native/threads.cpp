#include "threads.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace qlit {
namespace {

// Times of busy waiting. For the next call: as long as the time between two calls of a training step. For helpers at work:
// as long as threads on separate cores differ. Then the waiting thread sleeps, so that its core is free for a helper whose
// core is occupied by a busy-waiting thread of torch.
constexpr auto kAwakeForCalls = std::chrono::microseconds(200);
constexpr auto kAwakeForHelpers = std::chrono::microseconds(50);

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

template <class F>
void wait_awake(std::chrono::microseconds at_most, F&& done) {
    const auto until = std::chrono::steady_clock::now() + at_most;
    while (!done() && std::chrono::steady_clock::now() < until) {
        for (int k = 0; k < 8; k++) relax();
        std::this_thread::yield();  // for example to a thread of torch that has work for this core
    }
}

struct Job {
    void (*task)(void*, int, int);
    void* context;
    int num_tasks, num_workers;
    std::atomic<int> next_task{0}, next_worker{1};
    std::mutex mutex;
    std::exception_ptr error;

    void work(int worker) {
        for (int k; (k = next_task.fetch_add(1)) < num_tasks;) try {
                task(context, k, worker);
            } catch (...) {
                const std::lock_guard lock(mutex);
                error = std::current_exception();
            }
    }
};

class Team {
public:
    void run(Job& job) {
        while (int(helpers_.size()) < job.num_workers - 1) helpers_.emplace_back([this] { help(); }).detach();
        {
            const std::lock_guard lock(mutex_);
            job_ = &job;
            calls_.fetch_add(1, std::memory_order_release);
        }
        changed_.notify_all();
        job.work(0);
        {
            const std::lock_guard lock(mutex_);
            job_ = nullptr;  // no helper joins from here on
        }
        wait_awake(kAwakeForHelpers, [this] { return at_work_.load(std::memory_order_acquire) == 0; });
        for (int n; (n = at_work_.load(std::memory_order_acquire));) at_work_.wait(n, std::memory_order_acquire);
    }

    std::mutex busy;

private:
    void help() {
        for (unsigned seen = 0;;) {
            wait_awake(kAwakeForCalls, [&] { return calls_.load(std::memory_order_acquire) != seen; });
            Job* job;
            int worker;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return calls_.load(std::memory_order_relaxed) != seen; });
                seen = calls_.load(std::memory_order_relaxed);
                job = job_;
                if (!job || (worker = job->next_worker.fetch_add(1)) >= job->num_workers) continue;
                at_work_.fetch_add(1);
            }
            job->work(worker);
            at_work_.fetch_sub(1, std::memory_order_release);
            at_work_.notify_one();
        }
    }

    std::vector<std::thread> helpers_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::atomic<unsigned> calls_{0};
    std::atomic<int> at_work_{0};  // helpers
    Job* job_ = nullptr;
};

// Never destroyed: helpers may outlive every other object of the process. A forked child has no helpers: it gets a new team.
std::atomic<Team*> team_;

Team& team() {
    static const bool registered = [] {
        team_ = new Team;
        pthread_atfork(nullptr, nullptr, [] { team_ = new Team; });
        return true;
    }();
    (void)registered;
    return *team_.load();
}

}  // namespace

void run_tasks(int num_tasks, int num_threads, void (*task)(void*, int, int), void* context) {
    Job job{task, context, num_tasks, std::min(num_tasks, num_threads), {}, {}, {}, {}};
    job.next_worker = 1;
    Team& here = team();
    if (job.num_workers > 1 && here.busy.try_lock()) {
        const std::lock_guard lock(here.busy, std::adopt_lock);
        here.run(job);
    } else
        job.work(0);
    if (job.error) std::rethrow_exception(job.error);
}

}  // namespace qlit
