// Memory aligned for vectors, from a process-wide store: no allocation in the steady state.
#pragma once

#include <cstddef>

namespace qlit {

class Buffer {
public:
    Buffer() = default;
    explicit Buffer(size_t bytes);  // throws std::bad_alloc
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer();
    char* data() const { return data_; }

    // As an array of trivial values, uninitialised.
    template <class U>
    U* as() const {
        return reinterpret_cast<U*>(data_);
    }

private:
    char* data_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace qlit
