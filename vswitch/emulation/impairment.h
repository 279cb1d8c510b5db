// What a link does to the packets of one direction, as it is configured: [port.impair] of weftd,
// [link.impair] of a lab. Plain values; the packets meet them in wire.h. A default Impairment does nothing at
// all.
//
// The order in which a packet meets them is that of a real path: the link is up or not; MTU; loss;
// corruption; duplication; the queue and the rate (a packet leaves when its last bit has); the delay
// (propagation, with its jitter).
//
// Probabilities are from 0 to 1. Rates are bits a second of whole Ethernet frames, without preamble and FCS.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "vswitch/id.h"

namespace weft {

// Quantiles of a distribution of mean 0 and standard deviation 1: from a file of samples, or of netem's
// tables.
struct DelayTable {
    std::string file;  // as it was written
    std::vector<float> quantiles;

    friend bool operator==(const DelayTable&, const DelayTable&) = default;
};

struct DelayModel {
    enum class Shape : std::uint8_t { uniform, normal, pareto, table };

    Duration mean{0};
    Duration jitter{0};  // uniform: at most so much more or less; else: the standard deviation
    Shape shape = Shape::uniform;
    std::shared_ptr<const DelayTable> table;
    double correlation = 0;  // of a packet's jitter with the last one's
    bool reorders = false;   // a packet may overtake another; else it waits for the one before it

    friend bool operator==(const DelayModel&, const DelayModel&);  // tables by value
};

struct NoLoss {
    friend bool operator==(const NoLoss&, const NoLoss&) = default;
};

struct RandomLoss {
    double probability = 0;
    double correlation = 0;  // of a packet's loss with that of the one before it

    friend bool operator==(const RandomLoss&, const RandomLoss&) = default;
};

struct EveryNthLoss {
    std::uint64_t n = 1;

    friend bool operator==(const EveryNthLoss&, const EveryNthLoss&) = default;
};

// Gilbert (1960) and Elliott (1963): a good and a bad state, each with a loss of its own.
struct GilbertElliottLoss {
    double to_bad = 0;   // for each packet
    double to_good = 1;  // for each packet
    double loss_good = 0;
    double loss_bad = 1;

    friend bool operator==(const GilbertElliottLoss&, const GilbertElliottLoss&) = default;
};

// Salsano, Ludovici, Ordine (2009): 1 received, 3 lost in a burst, 2 received within a burst, 4 lost alone.
struct FourStateLoss {
    double p13 = 0;
    double p31 = 1;
    double p32 = 0;
    double p23 = 1;
    double p14 = 0;

    friend bool operator==(const FourStateLoss&, const FourStateLoss&) = default;
};

using LossModel = std::variant<NoLoss, RandomLoss, EveryNthLoss, GilbertElliottLoss, FourStateLoss>;

struct QueueModel {
    enum class Discipline : std::uint8_t { drop_tail, codel, fq_codel };

    Discipline discipline = Discipline::drop_tail;
    std::optional<std::uint32_t> packets;  // its limits; neither: 1000 packets
    std::optional<std::uint64_t> bytes;
    Duration target{5'000'000};  // RFC 8289, RFC 8290
    Duration interval{100'000'000};

    friend bool operator==(const QueueModel&, const QueueModel&) = default;
};

// How a link changes over time, from a file. It begins when the link does, and again at its end.
struct LinkTrace {
    // Of the file's rows; what is absent stays as configured. A CSV of time, delay, loss and rate.
    struct Step {
        Duration at{0};
        std::optional<Duration> delay;
        std::optional<double> loss;
        std::optional<std::uint64_t> rate;

        friend bool operator==(const Step&, const Step&) = default;
    };

    std::string file;                     // as it was written
    std::vector<Step> steps;              // in order; or
    std::vector<Duration> opportunities;  // Mahimahi's format: at each, up to 1500 bytes may leave
    Duration length{0};

    friend bool operator==(const LinkTrace&, const LinkTrace&) = default;
};

struct Impairment;

// From `at` on, counted from when the link begins; `then` holds the whole of what is in force.
struct ScheduledImpairment;

struct Impairment {
    bool up = true;
    std::optional<std::uint16_t> mtu;  // of the layer above Ethernet; larger packets are lost
    LossModel loss;
    double bit_error_rate = 0;  // a packet with an error in it is delivered, with one or more bits turned
    double duplicate = 0;
    double reorder = 0;  // the probability that a packet is not delayed at all, and so overtakes
    std::optional<std::uint64_t> rate;
    QueueModel queue;
    DelayModel delay;
    std::shared_ptr<const LinkTrace> trace;
    std::vector<ScheduledImpairment> schedule;
    Duration repeat{0};  // of the schedule; 0: once

    [[nodiscard]] bool does_nothing() const noexcept;

    // What passes must be what a wire would carry: super-frames are cut.
    [[nodiscard]] bool counts_packets() const noexcept;

    friend bool operator==(const Impairment&, const Impairment&);
};

struct ScheduledImpairment {
    Duration at{0};
    std::shared_ptr<const Impairment> then;

    friend bool operator==(const ScheduledImpairment&, const ScheduledImpairment&);
};

// Of a port of weftd: what each direction of its link does to its packets.
struct PortLink {
    Impairment in;   // from the device into weft
    Impairment out;  // from weft to the device
    std::uint64_t seed = 1;

    friend bool operator==(const PortLink&, const PortLink&) = default;
};

}  // namespace weft
