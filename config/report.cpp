#include "config/report.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fcntl.h>

#include <fmt/format.h>

namespace weft::config {

namespace {

constexpr bool continues_character(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
}

}  // namespace

Report::Report(std::string file, OpenKey open_key) : file_(std::move(file)), open_key_(std::move(open_key)) {}

int Report::open_key(const std::string& path) const {
    return open_key_ ? open_key_(path) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

void Report::add(Position at, std::string_view what, std::string_view cure) {
    std::string text = printable(fmt::format("{}: {}", what, cure));
    const auto [first, last] = entries_.equal_range(at);
    if (std::any_of(first, last, [&](const auto& entry) { return entry.second == text; })) return;
    entries_.emplace(at, std::move(text));
}

Problems Report::problems() const {
    Problems problems;
    for (const auto& [at, text] : entries_)
        problems.push_back(fmt::format("{}:{}:{}: {}", printable(file_), at.line, at.column, text));
    return problems;
}

std::string Report::resolve(std::string_view path) const {
    return (std::filesystem::path(file_).parent_path() / path).string();
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (code < 0x20 || code == 0x7F) {
            out += fmt::format("\\x{:02x}", code);
        } else {
            out += c;
        }
    }
    return out;
}

std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 100;
    if (text.size() <= longest) return fmt::format("'{}'", text);
    std::size_t end = longest;
    while (end > 0 && continues_character(text[end])) --end;
    return fmt::format("'{}...'", text.substr(0, end));
}

}  // namespace weft::config
