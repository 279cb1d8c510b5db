// What a link does to its packets, from a table of the file ([port.impair], [link.impair]) or, while it runs,
// from one key and its text: `weft lab set LINK delay=10ms`. Both take the same keys and the same texts;
// where the file has a number, true or false, its text is the same without quotes.
//
// An entry of `schedule` changes what it says; everything else stays as it was before it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/link_files.h"
#include "config/section.h"
#include "config/values.h"
#include "vswitch/emulation/impairment.h"

namespace weft::config {

// By impairment_schema, or one that has its keys and more.
Impairment read_impairment(const Section& section);

// For one direction: what `section` says, and what it leaves open as `base` says. The one's schedule takes
// the place of the other's.
Impairment read_impairment(const Section& base, const Section& section);

// Keys that hold a list or a table cannot be set so. Files are opened by `open`.
std::expected<void, Fault> set_impairment(Impairment& impairment, std::string_view key,
                                          std::string_view value, const OpenFile& open = open_file);

// What is not at its default, each as set_impairment() takes it, and "schedule" as the number of its entries.
std::vector<std::pair<std::string, std::string>> settings_of(const Impairment& impairment);

// "delay 10ms, jitter 2ms, loss 1%"; of an impairment that does nothing "none".
std::string describe(const Impairment& impairment);

}  // namespace weft::config
