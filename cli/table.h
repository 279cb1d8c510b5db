// Text in aligned columns under a header row, for a terminal. Columns are as wide as their widest cell and
// two spaces apart; an empty cell shows a dash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

class Table {
  public:
    enum class Align : std::uint8_t { left, right };
    enum class Tone : std::uint8_t { plain, good, doubtful, bad };

    struct Column {
        std::string title;
        Align align = Align::left;
    };

    struct Cell {
        Cell(std::string content,
             Tone mood = Tone::plain)  // NOLINT(google-explicit-constructor): a row is a list of texts
            : text(std::move(content)), tone(mood) {}

        std::string text;
        Tone tone;
    };

    explicit Table(std::vector<Column> columns);

    void add(std::vector<Cell> row);  // as many cells as there are columns

    // With ANSI colors or without. Ends with a newline; no line ends with spaces.
    [[nodiscard]] std::string to_string(bool color) const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace weft
