#include "cni/verbs.h"

#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/config.h"
#include "cni/daemon.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "cni/pending.h"
#include "cni/sandbox.h"

namespace weft::cni {

using nlohmann::json;

json status(const Request& request) {
    const auto config = read_config(request);
    if (!config.host_interface.empty()) find_host_interface(config.host_interface);
    Daemon daemon{config.control};
    settle_pending(config, daemon);
    try {
        daemon.ports();
    } catch (const Error& failure) {
        throw Error(Code::not_available, failure.what(), failure.details());
    }
    make_ipam(request, config, daemon)->probe();
    return {};
}

json version(const Request& request) {
    const auto asked =
        request.configuration.is_object() ? request.configuration.value("cniVersion", json{}) : json{};
    return {{"cniVersion", asked.is_string() ? asked : json(to_string(newest))},
            {"supportedVersions", versions}};
}

json run(const Request& request) {
    switch (request.verb) {
        case Verb::add:
            return add(request);
        case Verb::del:
            return del(request);
        case Verb::check:
            return check(request);
        case Verb::gc:
            return collect_garbage(request);
        case Verb::status:
            return status(request);
        case Verb::version:
            return version(request);
    }
    std::abort();
}

}  // namespace weft::cni
