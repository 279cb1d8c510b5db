#include "cni/daemon.h"

#include <cstdlib>
#include <exception>

#include <fmt/format.h>

#include "cli/rpc.h"
#include "cni/error.h"

namespace weft::cni {

using nlohmann::json;

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void rethrow(const RefusedCall& refused) {
    switch (static_cast<RpcCode>(refused.code())) {
        case RpcCode::busy:
            throw Error(Code::try_again, refused.what());
        case RpcCode::invalid_params:
            throw Error(Code::invalid_configuration, refused.what());
        default:
            throw Error(Code::daemon_refused, refused.what());
    }
}

[[noreturn]] void complain(std::string_view method, const json& answer) {
    throw Error(Code::daemon_refused,
                fmt::format("the daemon's answer to {} is not understood; is it of this version?", method),
                answer.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

json Daemon::add_port(const json& port) {
    auto added = call("port_add", port);
    if (!added.is_object() || !added.value("mac", json{}).is_string()) complain("port_add", added);
    return added;
}

bool Daemon::remove_port(const std::string& name) {
    const auto answer = call("port_del", {{"name", name}});
    return answer.is_object() && answer.value("removed", json{}) == true;
}

json Daemon::ports() {
    return list("runtime_ports", "ports");
}

json Daemon::port(const std::string& name) {
    for (auto& port : ports()) {
        if (port.is_object() && port.value("name", json{}) == name) return std::move(port);
    }
    return {};
}

json Daemon::allocate(const json& wanted) {
    return call("ipam_allocate", wanted);
}

bool Daemon::release(const std::string& owner) {
    const auto answer = call("ipam_release", {{"owner", owner}});
    return answer.is_object() && answer.value("released", json{}) == true;
}

json Daemon::pools() {
    return list("ipam", "pools");
}

json Daemon::list(std::string_view method, const char* name) {
    auto answer = call(method, json::object());
    if (!answer.is_object() || !answer.value(name, json{}).is_array()) complain(method, answer);
    return std::move(answer[name]);
}

json Daemon::call(std::string_view method, const json& params) {
    const auto begin = Clock::now();
    const auto spend = [&] { left_ -= Clock::now() - begin; };
    try {
        if (!client_)
            client_.emplace(path_.empty() ? default_control_path(std::getenv("WEFT_CONTROL")) : path_);
        client_->give_up(begin + left_);
        auto answer = client_->call(method, params);
        spend();
        return answer;
    } catch (const RefusedCall& refused) {
        spend();
        rethrow(refused);
    } catch (const std::exception& failure) {
        // An answer that is still to come must not be taken for the next call's.
        spend();
        client_.reset();
        throw Error(Code::try_again, failure.what());
    }
}

}  // namespace weft::cni
