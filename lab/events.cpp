#include "lab/events.h"

#include <algorithm>

namespace weft::lab {

void Events::start(Instant now) {
    for (std::size_t i = 0; i < events_.size(); ++i) due_[i] = now + events_[i].at;
}

Instant Events::next() const noexcept {
    const auto first = std::ranges::min_element(due_);
    return first == due_.end() ? never : *first;
}

void Events::run_due(Instant now, const std::function<void(std::size_t index)>& happens) {
    while (true) {
        const auto first = std::ranges::min_element(due_);
        if (first == due_.end() || *first > now) return;
        const auto index = static_cast<std::size_t>(first - due_.begin());
        const auto& repeat = events_[index].repeat;
        if (repeat && *repeat > Duration::zero()) {
            *first += *repeat * (1 + (now - *first) / *repeat);
        } else {
            *first = never;
        }
        happens(index);
    }
}

}  // namespace weft::lab
