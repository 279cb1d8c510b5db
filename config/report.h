// What is wrong with a configuration file. Problems are noted in whatever order they are found and come out
// in the order of the file, each as one line "FILE:LINE:COLUMN: what: cure"; text that came from the file is
// quoted, shortened and escaped, so that it can neither break the line nor reach a terminal raw.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "config/load.h"

namespace weft::config {

// Both from 1; a column is a character, not a byte.
struct Position {
    unsigned line = 1;
    unsigned column = 1;

    friend constexpr auto operator<=>(const Position&, const Position&) noexcept = default;
};

class Report {
  public:
    explicit Report(std::string file, OpenKey open_key = {});

    // The same at the same place is said once.
    void add(Position at, std::string_view what, std::string_view cure);

    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

    [[nodiscard]] Problems problems() const;

    // A path in the file is relative to the file's folder.
    [[nodiscard]] std::string resolve(std::string_view path) const;

    // Of a key file: a descriptor, or -1 with errno set.
    [[nodiscard]] int open_key(const std::string& path) const;

    // weftd has given up its privileges, so another process opens the keys.
    [[nodiscard]] bool is_unprivileged() const noexcept { return static_cast<bool>(open_key_); }

  private:
    std::string file_;
    OpenKey open_key_;
    std::multimap<Position, std::string> entries_;  // equal positions in the order of their finding
};

// With control characters as \x0a.
std::string printable(std::string_view text);

// 'text', or as much of it as fits a message.
std::string quoted(std::string_view text);

}  // namespace weft::config
