// A run over a batch: tiles on threads, each through the encoders and then the circuit that reads their values.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine.hpp"
#include "memory.hpp"
#include "threads.hpp"
#include "tiny_numbers.hpp"

namespace qlit {
namespace {

// An offset: if state and cotangent differ by a power of two, their vectors share a set of every cache.
constexpr size_t kDisplacement = 9 * 64;

// `first` is the number of the first of these angles among all, for the message.
template <class T>
void write_half_angles(const Kernels<T>& kernels, const T* angles, int64_t count, HalfAngle<T>* results, const char* what,
                       int64_t first) {
    const int64_t bad = kernels.half_angles(angles, count, results);
    if (bad >= 0)
        throw std::domain_error(std::string("Angles must be finite, but among the ") + what + " number " +
                                std::to_string(first + bad) + " is " + std::to_string(angles[bad]) + ".");
}

}  // namespace

template <class T>
class Batch {
public:
    // `states` is null if they are not kept. `repeat` needs no measurement of the last circuit.
    Batch(const Executable<T>& last, const Inputs<T>& inputs, const Measurement* measurement, char* states, int num_threads)
        : inputs_(inputs), kernels_(last.kernels_), num_angles_(last.plan_.num_angles), num_threads_(num_threads) {
        auto add = [&](const Executable<T>& circuit, const Measurement* of_circuit, const T* parameters, const T* initial,
                       const uint8_t* errors) {
            if (&circuit.kernels_ != &kernels_) throw std::invalid_argument("The circuits of a run must use the same kernels.");
            const int num_parameters = circuit.plan_.num_parameters;
            Buffer half_angles(sizeof(HalfAngle<T>) * (num_parameters + 1));
            write_half_angles(kernels_, parameters, num_parameters, half_angles.template as<HalfAngle<T>>(), "parameters", 0);
            parts_.push_back({&circuit, of_circuit, initial, errors, states, num_sums_, std::move(half_angles)});
            num_sums_ += num_parameters;
            if (states) states += circuit.state_bytes(inputs.batch_size);
        };
        int64_t num_values = 0;
        for (const Encoder<T>& encoder : inputs.encoders) {
            add(*encoder.executable, encoder.measurement, encoder.parameters, encoder.initial, nullptr);
            num_values += encoder.measurement->num_results();
        }
        add(last, measurement, inputs.parameters, inputs.initial, inputs.errors);
        first_scale_ = num_sums_, num_sums_ += int(inputs.encoders.size());
        if (has_encoders() && num_values != num_angles_)
            throw std::invalid_argument("The encoders must give the circuit as many angles as it takes.");
    }

    void forward(T* results) {
        each_tile(&Plan::forward, [&](Worker& worker, int64_t k) {
            for (Part& part : parts_) {
                if (is_last(part)) write_input_angles(worker, k);
                Tile<T> t = tile(part, worker, k, &Plan::forward);
                t.results = is_last(part) ? results + first_sample(k) * t.num_results : worker.values;
                kernels_.forward(t);
                if (!is_last(part)) hand_on(part, worker, k);
            }
        });
    }

    void backward(const T* by_results, const Gradients<T>& gradients) {
        // Every tile has separate sums, which are added in order at the end: the same bits for any number of threads.
        const int count = num_tiles();
        const Buffer sums(sizeof(double) * (size_t(count) * num_sums_ + 1));
        each_tile(&Plan::backward, [&](Worker& worker, int64_t k) {
            double* of_tile = std::fill_n(sums.as<double>() + size_t(k) * num_sums_, num_sums_, 0.0) - num_sums_;
            T* by_angles = gradients.angles ? gradients.angles + first_sample(k) * num_angles_ : worker.by_angles;
            std::fill_n(by_angles, num_samples(k) * num_angles_, T(0));
            if (has_encoders()) scale_values(worker, k);
            write_input_angles(worker, k);
            for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
                Tile<T> t = tile(*part, worker, k, &Plan::backward);
                if (is_last(*part))
                    t.by_results = by_results + first_sample(k) * t.num_results;
                else
                    hand_back(*part, worker, k, of_tile), t.by_results = worker.values;
                t.by_parameters = of_tile + part->first_sum;
                t.by_angles = by_angles;
                T* by_initial = is_last(*part) ? gradients.initial : encoder_of(*part).by_initial;
                t.by_initial = by_initial ? by_initial + (first_sample(k) << t.num_qubits) : nullptr;
                kernels_.backward(t);
            }
        });
        auto write_sums = [&](int first, int how_many, T* to) {
            for (int p = first; p < first + how_many; p++) {
                double sum = 0;
                for (int k = 0; k < count; k++) sum += sums.as<double>()[size_t(k) * num_sums_ + p];
                *to++ = T(sum);
            }
        };
        for (const Part& part : parts_)
            write_sums(part.first_sum, part.circuit->plan_.num_parameters,
                       is_last(part) ? gradients.parameters : encoder_of(part).by_parameters);
        for (const Encoder<T>& encoder : inputs_.encoders)
            write_sums(first_scale_ + int(&encoder - inputs_.encoders.data()), 1, encoder.by_scale);
    }

    void repeat() {
        each_tile(&Plan::forward, [&](Worker& worker, int64_t k) {
            if (has_encoders()) scale_values(worker, k);
            write_input_angles(worker, k);
            for (Part& part : parts_) kernels_.repeat(tile(part, worker, k, &Plan::forward));
        });
    }

private:
    struct Part {  // one circuit
        const Executable<T>* circuit;
        const Measurement* measurement;
        const T* initial;
        const uint8_t* errors;
        char* states;   // of all tiles, or null
        int first_sum;  // of its parameters' gradients
        Buffer parameters;
    };

    // Working memory of a thread, for the samples of its tile: expectation values of an encoder (backward, their
    // cotangent), the input angles, and their cotangent.
    struct Worker {
        Buffer scratch, other, state, half_angles, numbers;
        T *values, *angles, *by_angles;
    };

    bool has_encoders() const { return !inputs_.encoders.empty(); }
    bool is_last(const Part& part) const { return &part == &parts_.back(); }
    const Encoder<T>& encoder_of(const Part& part) const { return inputs_.encoders[&part - parts_.data()]; }
    int num_tiles() const { return parts_.back().circuit->num_tiles(inputs_.batch_size); }
    int64_t first_sample(int64_t k) const { return k * kernels_.samples; }
    int num_samples(int64_t k) const { return int(std::min<int64_t>(kernels_.samples, inputs_.batch_size - first_sample(k))); }

    // Positions of an encoder's values among the angles.
    int64_t first_angle(const Part& part) const {
        int64_t first = 0;
        for (const Part* before = parts_.data(); before != &part; before++) first += before->measurement->num_results();
        return first;
    }

    void hand_on(const Part& part, Worker& worker, int64_t k) const {
        const T scale = *encoder_of(part).scale;
        const int64_t first = first_angle(part), width = part.measurement->num_results();
        for (int64_t s = 0; s < num_samples(k); s++)
            for (int64_t j = 0; j < width; j++) {
                const T value = worker.values[s * width + j];
                worker.angles[s * num_angles_ + first + j] = scale * value;
                if (inputs_.values) inputs_.values[(first_sample(k) + s) * num_angles_ + first + j] = value;
            }
    }

    void hand_back(const Part& part, Worker& worker, int64_t k, double* of_tile) const {
        const T scale = *encoder_of(part).scale;
        const int64_t first = first_angle(part), width = part.measurement->num_results();
        double by_scale = 0;
        for (int64_t s = 0; s < num_samples(k); s++)
            for (int64_t j = 0; j < width; j++) {
                const T by_angle = worker.by_angles[s * num_angles_ + first + j];
                worker.values[s * width + j] = scale * by_angle;
                by_scale += double(by_angle) * inputs_.values[(first_sample(k) + s) * num_angles_ + first + j];
            }
        of_tile[first_scale_ + (&part - parts_.data())] = by_scale;
    }

    void scale_values(Worker& worker, int64_t k) const {
        const T* values = inputs_.values + first_sample(k) * num_angles_;
        for (const Part& part : parts_) {
            if (is_last(part)) break;
            const int64_t first = first_angle(part), width = part.measurement->num_results();
            for (int64_t s = 0; s < num_samples(k); s++)
                for (int64_t a = s * num_angles_ + first; a < s * num_angles_ + first + width; a++)
                    worker.angles[a] = *encoder_of(part).scale * values[a];
        }
    }

    void write_input_angles(Worker& worker, int64_t k) const {
        const int64_t first = first_sample(k) * num_angles_;
        if (num_angles_)
            write_half_angles(kernels_, has_encoders() ? worker.angles : inputs_.angles + first, num_samples(k) * num_angles_,
                              worker.half_angles.template as<HalfAngle<T>>(), "input angles", first);
    }

    Tile<T> tile(const Part& part, const Worker& worker, int64_t k, ScheduleView Plan::*schedule) const {
        const Plan& plan = part.circuit->plan_;
        Tile<T> tile{};
        tile.steps = plan.steps.data(), tile.num_steps = int32_t(plan.steps.size());
        tile.num_qubits = plan.num_qubits, tile.num_bits = plan.num_bits;
        tile.num_parameters = plan.num_parameters, tile.num_angles = plan.num_angles, tile.num_gates = plan.num_gates;
        tile.schedule = plan.*schedule;
        tile.parameters = part.parameters.template as<HalfAngle<T>>();
        tile.angles = worker.half_angles.template as<HalfAngle<T>>();
        tile.num_samples = num_samples(k);
        tile.initial = part.initial ? part.initial + (first_sample(k) << plan.num_qubits) : nullptr;
        tile.errors = part.errors ? part.errors + first_sample(k) * plan.num_gates : nullptr;
        if (part.measurement) {
            tile.measure = part.measurement->kind;
            tile.measured_bits = part.measurement->bits.data(), tile.num_measured = int32_t(part.measurement->bits.size());
            tile.num_results = part.measurement->num_results();
        }
        tile.state = part.states ? part.states + k * part.circuit->tile_bytes() : worker.state.data();
        tile.other = worker.other.data() + kDisplacement;
        tile.scratch = worker.scratch.data();
        return tile;
    }

    // Calls run(worker, number of the tile) for all tiles.
    template <class F>
    void each_tile(ScheduleView Plan::*schedule, F&& run) {
        const int count = num_tiles(), num_workers = std::max(1, std::min(num_threads_, count));
        std::vector<Worker> workers(num_workers);
        run_tasks(count, num_workers, [&](int k, int number) {
            const FlushTinyNumbers flush;
            Worker& worker = workers[number];
            if (!worker.scratch.data()) furnish(worker, schedule);
            run(worker, k);
        });
    }

    void furnish(Worker& worker, ScheduleView Plan::*schedule) const {
        size_t scratch = 0, state = 0;
        for (const Part& part : parts_) {
            scratch = std::max(scratch, kernels_.scratch_bytes(tile(part, worker, 0, schedule)));
            state = std::max(state, part.circuit->tile_bytes());
        }
        worker.scratch = Buffer(scratch), worker.other = Buffer(state + kDisplacement);
        if (!parts_.back().states) worker.state = Buffer(state);
        const size_t num_angles = size_t(kernels_.samples) * num_angles_;
        worker.half_angles = Buffer(sizeof(HalfAngle<T>) * (num_angles + 1));
        worker.numbers = Buffer(sizeof(T) * (3 * num_angles + 1));
        worker.values = worker.numbers.template as<T>();
        worker.angles = worker.values + num_angles, worker.by_angles = worker.angles + num_angles;
    }

    const Inputs<T>& inputs_;
    const Kernels<T>& kernels_;
    const int64_t num_angles_;
    const int num_threads_;
    std::vector<Part> parts_;  // encoders, and the circuit that reads their values
    int num_sums_ = 0, first_scale_ = 0;
};

template <class T>
void Executable<T>::forward(const Inputs<T>& inputs, const Measurement& measurement, T* results, char* states,
                            int num_threads) const {
    Batch<T>(*this, inputs, &measurement, states, num_threads).forward(results);
}

template <class T>
void Executable<T>::backward(const Inputs<T>& inputs, const Measurement& measurement, char* states, const T* by_results,
                             const Gradients<T>& gradients, int num_threads) const {
    Batch<T>(*this, inputs, &measurement, states, num_threads).backward(by_results, gradients);
}

template <class T>
void Executable<T>::repeat(const Inputs<T>& inputs, char* states, int num_threads) const {
    Batch<T>(*this, inputs, nullptr, states, num_threads).repeat();
}

template void Executable<float>::forward(const Inputs<float>&, const Measurement&, float*, char*, int) const;
template void Executable<double>::forward(const Inputs<double>&, const Measurement&, double*, char*, int) const;
template void Executable<float>::backward(const Inputs<float>&, const Measurement&, char*, const float*, const Gradients<float>&,
                                          int) const;
template void Executable<double>::backward(const Inputs<double>&, const Measurement&, char*, const double*,
                                           const Gradients<double>&, int) const;
template void Executable<float>::repeat(const Inputs<float>&, char*, int) const;
template void Executable<double>::repeat(const Inputs<double>&, char*, int) const;

}  // namespace qlit
