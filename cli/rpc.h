// JSON-RPC 2.0 (https://www.jsonrpc.org/specification) without a transport: bytes in, replies and
// notifications out. One message a line, in both directions. Any chunking of the input will do; requests may
// be pipelined, and their replies come in the order in which they are completed.
//
// Not offered: batches (-32600).
//
// What a client can make us hold is bounded: a line (max_line), its nesting (max_depth), the requests under
// way (max_outstanding). What lies beyond is answered by an error, and the conversation goes on with the next
// line.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json_fwd.hpp>

namespace weft {

enum class RpcCode : int {
    parse_error = -32700,
    invalid_request = -32600,
    unknown_method = -32601,
    invalid_params = -32602,
    internal_error = -32603,
    busy = -32000,
};

struct RpcOutput;

// For handlers to throw: the caller's mistake, told with the code that fits.
class InvalidParams : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// A client that more is sent to than answers, as long as it is there. A handle: copies are the same client.
class RpcClient {
  public:
    // One notification (JSON-RPC 2.0, section 4.1). False: the client is gone.
    [[nodiscard]] bool notify(std::string_view method, const nlohmann::json& params) const;
    [[nodiscard]] bool gone() const noexcept;

    friend bool operator==(const RpcClient& a, const RpcClient& b) noexcept {
        return !a.output_.owner_before(b.output_) && !b.output_.owner_before(a.output_);
    }

  private:
    friend class Reply;

    explicit RpcClient(std::weak_ptr<RpcOutput> output) noexcept : output_(std::move(output)) {}

    std::weak_ptr<RpcOutput> output_;
};

// The answer owed to one request. It may be kept and given later, on the same thread, also after the client
// is gone. The first answer counts; if every copy goes without one, the client is told so.
class Reply {
  public:
    void result(nlohmann::json value) const;
    void error(RpcCode code, std::string_view message) const;

    // Who asked.
    [[nodiscard]] RpcClient client() const;

  private:
    friend class RpcSession;
    struct Call;

    explicit Reply(std::shared_ptr<Call> call) noexcept;

    std::shared_ptr<Call> call_;
};

// `params` is an object, an array or null (absent). What it throws becomes the reply: InvalidParams -32602,
// any other std::exception -32603.
using RpcHandler = std::function<void(const nlohmann::json& params, Reply reply)>;
using RpcMethods = std::map<std::string, RpcHandler, std::less<>>;

// One client's conversation.
class RpcSession {
  public:
    static constexpr std::size_t max_line = std::size_t{1} << 20U;
    static constexpr std::size_t max_outstanding = 64;
    static constexpr int max_depth = 32;

    // `methods` must outlive the session. `send` takes one line, with its newline; it must not destroy the
    // session.
    RpcSession(const RpcMethods& methods, std::function<void(std::string line)> send);

    void receive(std::string_view bytes);

    // Replies that are still owed.
    [[nodiscard]] std::size_t outstanding() const noexcept;

  private:
    void handle_line(std::string_view line);
    void handle_request(const nlohmann::json& request);

    const RpcMethods& methods_;
    std::shared_ptr<RpcOutput> output_;
    std::string line_;       // the beginning of a line
    bool skipping_ = false;  // to the end of a line that was too long
};

}  // namespace weft
