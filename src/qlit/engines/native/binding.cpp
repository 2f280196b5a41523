// Bindings for Python. Addresses arrive as integers, from tensors that the Python side has checked and keeps alive.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <new>
#include <stdexcept>

#include "engine.hpp"
#include "limits.hpp"
#include "memory.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
T* at(uintptr_t address) {
    return reinterpret_cast<T*>(address);
}

std::vector<qlit::Instruction> instructions(const std::vector<std::vector<int32_t>>& rows) {
    std::vector<qlit::Instruction> result;
    for (const auto& row : rows) {
        if (row.size() != 4 || row[0] < 0 || row[0] > int32_t(qlit::Kind::z))
            throw std::invalid_argument("An instruction is (kind, wire, other, slot).");
        result.push_back({qlit::Kind(row[0]), row[1], row[2], row[3]});
    }
    return result;
}

// An encoder as Python passes it (`_EncoderCall`): circuit, measurement, addresses of its inputs and of their gradients.
template <class T>
using EncoderRow = std::tuple<const qlit::Executable<T>*, const qlit::Measurement*, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                              uintptr_t, uintptr_t>;

template <class T>
void bind(nb::module_& module, const char* name) {
    using Executable = qlit::Executable<T>;
    using Rows = std::vector<EncoderRow<T>>;
    auto inputs = [](uintptr_t parameters, uintptr_t angles, uintptr_t initial, uintptr_t errors, int64_t batch_size,
                     const Rows& rows, uintptr_t values) {
        std::vector<qlit::Encoder<T>> encoders;
        for (const auto& [executable, measurement, of_circuit, scale, state, by_parameters, by_scale, by_state] : rows)
            encoders.push_back({executable, measurement, at<const T>(of_circuit), at<const T>(scale), at<const T>(state),
                                at<T>(by_parameters), at<T>(by_scale), at<T>(by_state)});
        return qlit::Inputs<T>{at<const T>(parameters),    at<const T>(angles), at<const T>(initial),
                               at<const uint8_t>(errors), batch_size,          std::move(encoders),
                               at<T>(values)};
    };
    nb::class_<Executable>(module, name)
        .def("__init__",
             [](Executable* self, int num_qubits, int num_parameters, int num_angles,
                const std::vector<std::vector<int32_t>>& rows, const std::string& kernels) {
                 new (self) Executable(num_qubits, num_parameters, num_angles, instructions(rows), kernels);
             })
        .def_prop_ro("samples_per_tile", &Executable::samples_per_tile)
        .def("state_bytes", &Executable::state_bytes)
        .def("forward",
             [inputs](const Executable& self, const qlit::Measurement& measurement, uintptr_t parameters, uintptr_t angles,
                      uintptr_t initial, uintptr_t errors, int64_t batch_size, const Rows& encoders, uintptr_t values,
                      uintptr_t results, uintptr_t states, int num_threads) {
                 const nb::gil_scoped_release release;
                 self.forward(inputs(parameters, angles, initial, errors, batch_size, encoders, values), measurement,
                              at<T>(results), at<char>(states), num_threads);
             })
        .def("backward",
             [inputs](const Executable& self, const qlit::Measurement& measurement, uintptr_t parameters, uintptr_t angles,
                      uintptr_t errors, int64_t batch_size, const Rows& encoders, uintptr_t values, uintptr_t states,
                      uintptr_t by_results, uintptr_t by_parameters, uintptr_t by_angles, uintptr_t by_initial,
                      int num_threads) {
                 const nb::gil_scoped_release release;
                 self.backward(inputs(parameters, angles, 0, errors, batch_size, encoders, values), measurement,
                               at<char>(states), at<const T>(by_results),
                               {at<T>(by_parameters), at<T>(by_angles), at<T>(by_initial)}, num_threads);
             })
        .def("repeat", [inputs](const Executable& self, uintptr_t parameters, uintptr_t angles, uintptr_t errors,
                                int64_t batch_size, const Rows& encoders, uintptr_t values, uintptr_t states,
                                int num_threads) {
            const nb::gil_scoped_release release;
            self.repeat(inputs(parameters, angles, 0, errors, batch_size, encoders, values), at<char>(states), num_threads);
        });
}

// Memory for states as a tensor of bytes: autograd frees it as soon as a graph no longer needs it.
nb::ndarray<nb::pytorch, uint8_t, nb::ndim<1>> allocate(size_t bytes) {
    auto* buffer = new qlit::Buffer(bytes);
    const nb::capsule owner(buffer, [](void* pointer) noexcept { delete static_cast<qlit::Buffer*>(pointer); });
    return {buffer->data(), {bytes}, owner};
}

nb::dict limits(int num_threads, double seconds) {
    qlit::Limits found;
    {
        const nb::gil_scoped_release release;
        found = qlit::measure_limits(num_threads, seconds);
    }
    nb::list levels;
    for (const auto& each : found.bandwidths) {
        nb::dict level;
        level["level"] = each.level, level["bytes_a_thread"] = each.bytes_a_thread;
        level["scale"] = each.scale, level["copy"] = each.copy;
        levels.append(level);
    }
    nb::dict result;
    result["instructions"] = found.instructions, result["num_threads"] = found.num_threads;
    result["fma_flops_one_thread"] = found.flops_one_thread, result["fma_flops"] = found.flops;
    result["bandwidth"] = levels;
    return result;
}

}  // namespace

NB_MODULE(_native, module) {
    nb::set_leak_warnings(false);  // compiled circuits may live until the interpreter ends
    module.doc() = "The compiled engine; used by qlit.engines.native_engine alone.";
    module.def("available_kernels", [] {
        std::vector<std::string> names;
        for (const qlit::KernelSet* set : qlit::available_kernels()) names.emplace_back(set->name);
        return names;
    });
    module.def("allocate", &allocate);
    module.def("measure_limits", &limits, "num_threads"_a, "seconds"_a);
    nb::class_<qlit::Measurement>(module, "Measurement")
        .def("__init__", [](qlit::Measurement* self, bool probabilities, const std::vector<int32_t>& bits) {
            new (self) qlit::Measurement{probabilities ? qlit::Measure::probabilities : qlit::Measure::expectation, bits};
        });
    bind<float>(module, "ExecutableFloat32");
    bind<double>(module, "ExecutableFloat64");
}
