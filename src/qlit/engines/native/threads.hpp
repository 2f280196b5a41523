// A team of threads for tiles. The caller works too; helpers wait briefly for the next call, then sleep.
#pragma once

namespace qlit {

// Runs task(k, worker) for k = 0 .. num_tasks - 1 on at most num_threads threads, worker < num_threads. Any thread may
// run any task, so tasks must not depend on it. An exception of a task is thrown again here.
// A second concurrent caller, and a caller inside a task, run their tasks without helpers. Safe after fork.
void run_tasks(int num_tasks, int num_threads, void (*task)(void* context, int task, int worker), void* context);

template <class F>
void run_tasks(int num_tasks, int num_threads, F&& task) {
    run_tasks(num_tasks, num_threads, [](void* context, int k, int worker) { (*static_cast<F*>(context))(k, worker); }, &task);
}

}  // namespace qlit
