// Vectors of one width, as compilers' vector extensions: included once by the code for each processor.
// QLIT_VECTOR_BYTES is the width; QLIT_INSIDE_FLOAT is 1 where a vector of floats holds two amplitudes of each sample.
// QLIT_FORWARD_BITS and QLIT_BACKWARD_BITS are the register bits of a pass: as many as fit the registers with room to spare.
#include <cmath>
#include <cstring>
#include <utility>

#define QLIT_INLINE inline __attribute__((always_inline))
#define QLIT_LAMBDA __attribute__((always_inline))

namespace {

template <class T>
struct Wide;

template <>
struct Wide<float> {
    typedef float V __attribute__((vector_size(QLIT_VECTOR_BYTES)));
    typedef int32_t I __attribute__((vector_size(QLIT_VECTOR_BYTES)));
    static constexpr int inside = QLIT_INSIDE_FLOAT;
};

template <>
struct Wide<double> {
    typedef double V __attribute__((vector_size(QLIT_VECTOR_BYTES)));
    typedef int64_t I __attribute__((vector_size(QLIT_VECTOR_BYTES)));
    static constexpr int inside = 0;
};

template <class T>
constexpr int kLanes = QLIT_VECTOR_BYTES / int(sizeof(T));
template <class T>
constexpr int kSamples = kLanes<T> >> Wide<T>::inside;

template <class T>
QLIT_INLINE typename Wide<T>::V all(T value) {
    typename Wide<T>::V v{};
    return v + value;
}

#if defined(__clang__)
template <class T, class V, int... K>
QLIT_INLINE V exchanged(V x, std::integer_sequence<int, K...>) {
    return __builtin_shufflevector(x, x, (K ^ kSamples<T>)...);
}
template <class T, class V, int... K>
QLIT_INLINE V halves(V low, V high, std::integer_sequence<int, K...>) {
    return __builtin_shufflevector(low, high, (K < kSamples<T> ? K : K + kLanes<T>)...);
}
#else
template <class T, class V, int... K>
QLIT_INLINE V exchanged(V x, std::integer_sequence<int, K...>) {
    return __builtin_shuffle(x, typename Wide<T>::I{(K ^ kSamples<T>)...});
}
template <class T, class V, int... K>
QLIT_INLINE V halves(V low, V high, std::integer_sequence<int, K...>) {
    return __builtin_shuffle(low, high, typename Wide<T>::I{(K < kSamples<T> ? K : K + kLanes<T>)...});
}
#endif

// A vector with its two amplitudes exchanged; and a vector of the first amplitude of `low` and the second of `high`.
template <class T, class V>
QLIT_INLINE V exchanged(V x) {
    if constexpr (Wide<T>::inside) return exchanged<T>(x, std::make_integer_sequence<int, kLanes<T>>());
    else return x;
}

template <class T, class V>
QLIT_INLINE V halves(V low, V high) {
    if constexpr (Wide<T>::inside) return halves<T>(low, high, std::make_integer_sequence<int, kLanes<T>>());
    else return low;
}

}  // namespace
