// The values of the keys of [port.impair] and [link.impair], from their texts and back. What a function makes
// of a value, it understands.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "config/values.h"
#include "vswitch/emulation/impairment.h"
#include "vswitch/id.h"

namespace weft::config {

// "10ms", "250us", "1.5s", "2m", "1h", "500ns", "0": from 0 to `most`.
std::expected<Duration, Fault> parse_precise_duration(std::string_view text, Duration most);
std::string to_text(Duration duration);

// "1%" or "0.01". A bare "1" is refused, since it could be meant either way.
std::expected<double, Fault> parse_probability(std::string_view text);
std::string probability_text(double probability);

// "10mbit", "512kbit", "1.5gbit", "9600bit", with or without "/s"; at least 1 bit a second.
std::expected<std::uint64_t, Fault> parse_rate(std::string_view text);
std::string rate_text(std::uint64_t rate);

// "1%", "every 10", "gilbert-elliott 1% 25% 0% 100%", "4-state 1% 50% 10% 30% 0.1%".
std::expected<LossModel, Fault> parse_loss(std::string_view text);
std::string to_text(const LossModel& loss);

// "100" or "100 packets"; "64kB", "64KiB", "1MB", "1MiB", "1500B". Sets the one and clears the other.
std::expected<void, Fault> parse_queue(std::string_view text, QueueModel& queue);
std::string queue_text(const QueueModel& queue);

// A number as people write it, the whole of `text`.
std::expected<double, Fault> parse_number(std::string_view text);

}  // namespace weft::config
