#include <optional>

#include <nlohmann/json.hpp>

#include "cni/config.h"
#include "cni/daemon.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "cni/pending.h"
#include "cni/port_name.h"
#include "cni/sandbox.h"
#include "cni/verbs.h"

namespace weft::cni {

using nlohmann::json;

json del(const Request& request) {
    const auto config = read_config_for_removal(request);
    Daemon daemon{config.control};
    const auto ipam = make_ipam(request, config, daemon);
    std::optional<Error> failure;
    const auto release = [&] {
        try {
            ipam->release();
        } catch (const Error& error) {
            failure = error;
        }
    };
    if (ipam->needs_interface()) release();
    try {
        settle_pending(config, daemon);
        daemon.remove_port(port_name(request));
        if (config.ipam.plugin.empty()) ipam->release();
    } catch (const Error& error) {
        if (!error.is(Code::try_again)) throw;
        write_down_removal(request, config);
        // Addresses stay taken as long as a port may still have them.
        if (look_at_netns(request.netns) == NetnsState::there) throw;
    }
    if (!config.ipam.plugin.empty() && !ipam->needs_interface()) release();
    if (failure) throw Error{*failure};
    return {};
}

}  // namespace weft::cni
