// Behind the kernels: the function that Python calls. KERNELS names them, as KERNEL(name) each.

#define KERNEL(name) {#name, [](const void* work) { name(*static_cast<const Work*>(work)); }},
static const struct {
    const char* name;
    void (*body)(const void*);
} kernels[] = {KERNELS};
#undef KERNEL

// Runs a kernel; returns null, or why it could not.
extern "C" const char* launch(const char* name, unsigned x, unsigned y, int threads, size_t shared, const Work* work,
                              int descending) {
    shim::body = nullptr;
    for (const auto& kernel : kernels)
        if (!std::strcmp(kernel.name, name)) shim::body = kernel.body;
    if (!shim::body) return "there is no such kernel";
    if (threads < 1 || threads > shim::kMostThreads) return "a block has 1 to 1024 threads";
    shim::argument = work;
    shim::fault = nullptr;
    gridDim = {x, y}, blockDim = {unsigned(threads), 1};
    // Whatever a block reads before it writes it is not a number.
    for (unsigned row = 0; row < y; row++)
        for (unsigned column = 0; column < x && !shim::fault; column++) {
            shim::dynamic_shared.assign(shared, char(0xff));
            shim::dynamic_shared.shrink_to_fit();
            blockIdx = {column, row};
            shim::run_block(threads, descending);
        }
    return shim::fault;
}
