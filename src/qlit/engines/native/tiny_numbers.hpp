#pragma once

#include <cstdint>

namespace qlit {

// Tiny numbers are flushed to zero while kernels run: they carry nothing and would slow some processors a hundredfold.
class FlushTinyNumbers {
public:
#if defined(QLIT_X86)
    FlushTinyNumbers() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8040); }
    ~FlushTinyNumbers() { __builtin_ia32_ldmxcsr(before_); }

private:
    unsigned before_;
#elif defined(__aarch64__)
    FlushTinyNumbers() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" ::"r"(before_ | uint64_t{1} << 24));
    }
    ~FlushTinyNumbers() { asm volatile("msr fpcr, %0" ::"r"(before_)); }

private:
    uint64_t before_;
#endif
};

}  // namespace qlit
