#include "cli/rpc.h"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace weft {

using nlohmann::json;

namespace {

std::string to_line(const json& message) {
    // Bytes that are not UTF-8 (in a device's name, say) are replaced rather than fatal.
    return message.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

json error_message(const json& id, RpcCode code, std::string_view message) {
    return {
        {"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", static_cast<int>(code)}, {"message", message}}}};
}

bool is_valid_id(const json& id) {
    return id.is_null() || id.is_string() || id.is_number();
}

// The reason why `request` is no request; empty if it is one.
std::string_view invalidity(const json& request) {
    if (request.is_array()) return "batches are not supported: send one request a line";
    if (!request.is_object()) return "a request is an object";
    if (request.value("jsonrpc", json{}) != "2.0") return "\"jsonrpc\" must be \"2.0\"";
    if (!request.value("method", json{}).is_string()) return "\"method\" must be a string";
    if (!is_valid_id(request.value("id", json{}))) return "\"id\" must be a string, a number or null";
    const auto params = request.find("params");
    if (params != request.end() && !params->is_structured())
        return "\"params\" must be an object or an array";
    return {};
}

}  // namespace

// What outlives a session as long as replies are owed: whereto they go, if anywhere.
struct RpcOutput {
    std::function<void(std::string)> send;
    std::size_t under_way = 0;  // requests and notifications
    std::size_t owed = 0;       // replies
};

struct Reply::Call {
    std::weak_ptr<RpcOutput> output;
    json id;
    bool notification = false;
    bool done = false;

    Call() = default;
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    ~Call() {
        if (!done) complete(error_message(id, RpcCode::internal_error, "the request was dropped unanswered"));
    }

    void complete(const json& message) {
        const auto live = output.lock();
        if (std::exchange(done, true) || !live) return;
        --live->under_way;
        if (notification) return;
        --live->owed;
        live->send(to_line(message));
    }
};

Reply::Reply(std::shared_ptr<Call> call) noexcept : call_(std::move(call)) {}

void Reply::result(json value) const {
    call_->complete({{"jsonrpc", "2.0"}, {"id", call_->id}, {"result", std::move(value)}});
}

void Reply::error(RpcCode code, std::string_view message) const {
    call_->complete(error_message(call_->id, code, message));
}

RpcClient Reply::client() const {
    return RpcClient{call_->output};
}

bool RpcClient::notify(std::string_view method, const json& params) const {
    const auto live = output_.lock();
    if (!live) return false;
    live->send(to_line({{"jsonrpc", "2.0"}, {"method", method}, {"params", params}}));
    return true;
}

bool RpcClient::gone() const noexcept {
    return output_.expired();
}

RpcSession::RpcSession(const RpcMethods& methods, std::function<void(std::string)> send)
    : methods_(methods), output_(std::make_shared<RpcOutput>()) {
    output_->send = std::move(send);
}

std::size_t RpcSession::outstanding() const noexcept {
    return output_->owed;
}

void RpcSession::receive(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end);
        if (!skipping_ && line_.size() + piece.size() > max_line) {
            skipping_ = true;
            line_ = {};
            output_->send(to_line(error_message({}, RpcCode::invalid_request,
                                                fmt::format("a line has at most {} bytes", max_line))));
        }
        if (!skipping_) line_ += piece;
        if (end == std::string_view::npos) return;
        if (!std::exchange(skipping_, false)) handle_line(std::exchange(line_, {}));
        bytes.remove_prefix(end + 1);
    }
}

void RpcSession::handle_line(std::string_view line) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    bool too_deep = false;
    const auto bound_depth = [&](int depth, json::parse_event_t, const json&) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
    };
    const auto request = json::parse(line, bound_depth, false);
    if (too_deep) {
        output_->send(to_line(error_message({}, RpcCode::invalid_request,
                                            fmt::format("values are nested at most {} deep", max_depth))));
    } else if (request.is_discarded()) {
        output_->send(to_line(error_message({}, RpcCode::parse_error, "not JSON: one message a line")));
    } else if (const auto reason = invalidity(request); !reason.empty()) {
        const auto id = request.is_object() ? request.value("id", json{}) : json{};
        output_->send(
            to_line(error_message(is_valid_id(id) ? id : json{}, RpcCode::invalid_request, reason)));
    } else {
        handle_request(request);
    }
}

void RpcSession::handle_request(const json& request) {
    auto call = std::make_shared<Reply::Call>();
    call->id = request.value("id", json{});
    call->notification = !request.contains("id");
    call->output = output_;
    ++output_->under_way;
    if (!call->notification) ++output_->owed;

    const Reply reply{std::move(call)};
    const auto& name = request["method"].get_ref<const std::string&>();
    const auto method = methods_.find(name);
    if (method == methods_.end()) {
        std::vector<std::string_view> names;
        for (const auto& known : methods_) names.push_back(known.first);
        reply.error(RpcCode::unknown_method,
                    fmt::format("no method '{}': there are {}", name, fmt::join(names, ", ")));
        return;
    }
    if (output_->under_way > max_outstanding) {
        reply.error(RpcCode::busy, fmt::format("{} requests are under way already", max_outstanding));
        return;
    }
    try {
        method->second(request.value("params", json{}), reply);
    } catch (const InvalidParams& failure) {
        reply.error(RpcCode::invalid_params, failure.what());
    } catch (const std::exception& failure) {
        reply.error(RpcCode::internal_error, failure.what());
    }
}

}  // namespace weft
