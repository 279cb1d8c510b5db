#include "cli/address_runs.h"

#include <iterator>

namespace weft {

AddressRuns::Runs::const_iterator AddressRuns::run_with(Number number) const {
    const auto next = runs_.upper_bound(number);
    if (next == runs_.begin()) return runs_.end();
    const auto run = std::prev(next);
    return run->second >= number ? run : runs_.end();
}

bool AddressRuns::contains(Number number) const {
    return run_with(number) != runs_.end();
}

void AddressRuns::insert(Number number) {
    if (contains(number)) return;
    const auto next = runs_.upper_bound(number);
    Number last = number;
    if (next != runs_.end() && next->first - 1 == number) {
        last = next->second;
        runs_.erase(next);
    }
    if (number != 0) {
        if (const auto before = run_with(number - 1); before != runs_.end()) {
            runs_[before->first] = last;
            return;
        }
    }
    runs_[number] = last;
}

void AddressRuns::erase(Number number) {
    const auto run = run_with(number);
    if (run == runs_.end()) return;
    const auto [first, last] = *run;
    runs_.erase(run);
    if (first < number) runs_[first] = number - 1;
    if (number < last) runs_[number + 1] = last;
}

std::optional<AddressRuns::Number> AddressRuns::first_free(Number from, Number last) const {
    const auto run = run_with(from);
    if (run == runs_.end()) return from <= last ? std::optional{from} : std::nullopt;
    if (run->second >= last) return std::nullopt;  // also where one more would be no number
    return run->second + 1;
}

}  // namespace weft
