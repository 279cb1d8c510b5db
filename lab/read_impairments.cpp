// `impair`, `there` and `back` of a [[link]], and what events set of them.
#include "lab/draft.h"
#include "lab/read_actions.h"

namespace weft::lab {

std::array<Impairment, 2> read_link_impairment(const config::Section& /*link*/) {
    return {};
}

bool check_setting(const config::Section& /*settings*/, const std::string& /*key*/,
                   const std::string& /*value*/) {
    return true;
}

}  // namespace weft::lab
