#include "cni/error.h"

#include <nlohmann/json.hpp>

namespace weft::cni {

void Error::add(std::string_view detail) {
    if (!details_.empty()) details_ += "; ";
    details_ += detail;
}

nlohmann::json Error::to_json(std::string_view version) const {
    nlohmann::json error = {{"cniVersion", version}, {"code", code_}, {"msg", what()}};
    if (!details_.empty()) error["details"] = details_;
    return error;
}

}  // namespace weft::cni
