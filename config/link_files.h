// The files that an impairment names: traces and distributions of delay. Both are text; a line that begins
// with # is a comment. Their problems name the file and the line.
//
// A trace is of one of two formats, told apart by what the first line is:
//   Mahimahi  a whole number of milliseconds a line, not decreasing: at each of these moments 1500 bytes may
//             leave. The last is the length of the trace.
//   CSV       fields between commas, the first line perhaps a heading that names them: time, delay, loss,
//   rate;
//             without it they are these, in this order. Each as in the configuration ("10ms", "1%", "5mbit"),
//             or a bare number: seconds, milliseconds, a probability, bits a second. An empty field, and a
//             column that is not there: as configured. The last line holds as long as the one before it.
// A distribution is a file of numbers, in any unit and order, of which mean and deviation are taken out: of
// samples measured, or a table of netem's.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "config/values.h"
#include "vswitch/emulation/impairment.h"

namespace weft::config {

// Opens a file for reading: a descriptor, or -1 with errno set. The path is as written.
using OpenFile = std::function<int(const std::string& path)>;

// By the process's own rights, from its own folder.
int open_file(const std::string& path);

std::expected<LinkTrace, Fault> load_trace(const std::string& path, const OpenFile& open);
std::expected<DelayTable, Fault> load_delay_table(const std::string& path, const OpenFile& open);

// What is in `text`, read from `path`.
std::expected<LinkTrace, Fault> parse_trace(std::string_view text, const std::string& path);
std::expected<DelayTable, Fault> parse_delay_table(std::string_view text, const std::string& path);

}  // namespace weft::config
