#include "memory.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace qlit {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
// A free buffer returns to the system after so many requests that did not use it; a larger one returns at once, because a
// run that needs it takes much longer than the system takes to allocate it.
constexpr unsigned kPatience = 512;
constexpr size_t kMostKept = size_t{256} << 20;

struct Free {
    char* data;
    size_t bytes;
    unsigned since;
};

struct Store {
    std::mutex mutex;
    std::vector<Free> free;
    unsigned requests = 0;
};

// Never destroyed, and recreated in a forked child, whose parent may have held the lock.
Store* store_ = [] {
    pthread_atfork(nullptr, nullptr, [] { store_ = new Store; });
    return new Store;
}();

char* fresh(size_t bytes) {
    const bool large = bytes >= kHugePage;
    const size_t alignment = large ? kHugePage : 64;
    void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!data) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (large) madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<char*>(data);
}

}  // namespace

Buffer::Buffer(size_t bytes) : bytes_(bytes) {
    {
        const std::lock_guard lock(store_->mutex);
        store_->requests++;
        auto& free = store_->free;
        for (size_t k = free.size(); k-- > 0;)
            if (free[k].bytes == bytes) {
                data_ = free[k].data;
                free.erase(free.begin() + k);
                return;
            }
    }
    data_ = fresh(bytes);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Buffer::~Buffer() {
    if (!data_) return;
    if (bytes_ > kMostKept) {
        std::free(data_);
        return;
    }
    const std::lock_guard lock(store_->mutex);
    auto& free = store_->free;
    free.push_back({data_, bytes_, store_->requests});
    while (!free.empty() && store_->requests - free.front().since > kPatience) {
        std::free(free.front().data);
        free.erase(free.begin());
    }
}

}  // namespace qlit
