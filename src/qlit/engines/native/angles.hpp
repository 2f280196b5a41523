// Tangents and cosines of half angles, several at a time.

namespace {

// The coefficients 1 / n! of sine and cosine.
constexpr double inverse_factorial(int n) {
    double f = 1;
    for (int k = 2; k <= n; k++) f *= k;
    return 1 / f;
}

// Any finite angle, by the library's sine and cosine, which reduce large arguments exactly.
template <class T>
HalfAngle<T> large_half_angle(double angle) {
    const double sine = std::sin(angle / 2), cosine = std::cos(angle / 2);
    if (std::fabs(sine) <= std::fabs(cosine)) return {T(sine / cosine), T(std::fabs(cosine)), false};
    return {T(-cosine / sine), T(std::fabs(sine)), true};
}

// Writes the half angles of `count` angles (radians); returns the position of the first that is not finite, or -1.
template <class T>
int64_t half_angles(const T* angles, int64_t count, HalfAngle<T>* results) {
    using V = typename Wide<double>::V;
    using I = typename Wide<double>::I;
    constexpr int lanes = kLanes<double>;
    constexpr double pi_high = 3.141592653589793, pi_low = 1.2246467991473532e-16;
    constexpr double rounding = 0x1.8p52;  // added and subtracted, it rounds to an integer, whose parity is its last bit
    constexpr double small = 1e5;          // where two parts of pi reduce an angle to the last bits of a double
    for (int64_t begin = 0; begin < count; begin += lanes) {
        const int used = int(count - begin < lanes ? count - begin : lanes);
        V angle{};
        bool all_small = true;
        for (int k = 0; k < used; k++) {
            angle[k] = double(angles[begin + k]);
            all_small &= std::fabs(angle[k]) <= small;
        }
        if (!all_small) {
            for (int k = 0; k < used; k++) {
                if (!(std::fabs(angle[k]) <= 1.7976931348623157e308)) return begin + k;
                results[begin + k] = large_half_angle<T>(angle[k]);
            }
            continue;
        }
        const V shifted = angle * 0.31830988618379067 + rounding, turns = shifted - rounding;
        const V h = 0.5 * ((angle - turns * pi_high) - turns * pi_low), x = h * h;
        V sine{}, cosine{};
#pragma GCC unroll 10
        for (int n = 17; n >= 1; n -= 2) {
            const double sign = n / 2 % 2 ? -1 : 1;
            sine = sine * x + sign * inverse_factorial(n);
            cosine = cosine * x + sign * inverse_factorial(n - 1);
        }
        const V tangent = h * sine / cosine;
        I bits;
        std::memcpy(&bits, &shifted, sizeof bits);
        for (int k = 0; k < used; k++) results[begin + k] = {T(tangent[k]), T(cosine[k]), bool(bits[k] & 1)};
    }
    return -1;
}

}  // namespace
