// Guesses what was meant by a misspelled word.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weft::config {

// The candidate with the smallest edit distance to `word`, or nothing if none is close.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// "did you mean 'bridge'?", or `otherwise` if no candidate is close.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                         std::string_view otherwise);

}  // namespace weft::config
