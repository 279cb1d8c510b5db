#include "cli/table.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace weft {

namespace {

constexpr std::string_view bold = "\033[1m";
constexpr std::string_view reset = "\033[0m";

std::string_view escape(Table::Tone tone) {
    switch (tone) {
        case Table::Tone::plain:
            return {};
        case Table::Tone::good:
            return "\033[32m";
        case Table::Tone::doubtful:
            return "\033[33m";
        case Table::Tone::bad:
            return "\033[31m";
    }
    return {};
}

// Characters rather than bytes: those of UTF-8 that do not continue another.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

// A line whose padding waits for the next cell, so that none is left at the end.
class Line {
  public:
    void append(std::string_view text, Table::Align align, std::size_t column_width, std::string_view color) {
        const auto padding = column_width - std::min(width(text), column_width);
        if (!text_.empty()) pending_ += 2;
        if (align == Table::Align::right) pending_ += padding;
        text_.append(std::exchange(pending_, 0), ' ');
        text_.append(color).append(text).append(color.empty() ? std::string_view{} : reset);
        if (align == Table::Align::left) pending_ += padding;
    }

    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::string text_;
    std::size_t pending_ = 0;
};

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<Cell> row) {
    for (auto& cell : row) {
        if (cell.text.empty()) cell.text.push_back('-');
    }
    rows_.push_back(std::move(row));
}

std::string Table::to_string(bool color) const {
    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (const auto& column : columns_) widths.push_back(width(column.title));
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width(row[i].text));
    }

    Line header;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        header.append(columns_[i].title, columns_[i].align, widths[i], color ? bold : std::string_view{});
    }
    auto text = header.text() + '\n';
    for (const auto& row : rows_) {
        Line line;
        for (std::size_t i = 0; i < widths.size(); ++i) {
            line.append(row[i].text, columns_[i].align, widths[i],
                        color ? escape(row[i].tone) : std::string_view{});
        }
        text += line.text() + '\n';
    }
    return text;
}

}  // namespace weft
