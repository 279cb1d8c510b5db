#include "vswitch/drop.h"

#include <numeric>

namespace weft {

namespace {

struct DropText {
    std::string_view name;
    std::string_view description;
};

constexpr std::array<DropText, drop_count> drop_texts = {{
#define WEFT_DROP_TEXT(name, text) {#name, text},
    WEFT_DROPS(WEFT_DROP_TEXT)
#undef WEFT_DROP_TEXT
}};

}  // namespace

std::string_view to_string(Drop drop) noexcept {
    return drop_texts[static_cast<std::size_t>(drop)].name;
}

std::string_view description(Drop drop) noexcept {
    return drop_texts[static_cast<std::size_t>(drop)].description;
}

std::uint64_t DropCounters::total() const noexcept {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

}  // namespace weft
