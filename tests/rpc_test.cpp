#include "cli/rpc.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace weft;
using nlohmann::json;

namespace {

// A session whose replies are collected, with methods that cover what a handler can do.
struct Conversation {
    RpcMethods methods;
    std::vector<json> replies;
    std::vector<Reply> kept;
    int calls = 0;
    std::unique_ptr<RpcSession> session;

    Conversation() {
        methods["echo"] = [this](const json& params, const Reply& reply) {
            ++calls;
            reply.result(params);
        };
        methods["keep"] = [this](const json&, const Reply& reply) { kept.push_back(reply); };
        methods["forget"] = [](const json&, const Reply&) {};
        methods["fail"] = [](const json&, const Reply&) { throw std::runtime_error("the pool is on fire"); };
        methods["refuse"] = [](const json&, const Reply&) { throw InvalidParams("no such port"); };
        session = std::make_unique<RpcSession>(methods, [this](const std::string& line) {
            REQUIRE(line.ends_with('\n'));
            REQUIRE(line.find('\n') == line.size() - 1);
            replies.push_back(json::parse(line));
        });
    }

    void receive(std::string_view bytes) const { session->receive(bytes); }

    [[nodiscard]] int error_code() const { return replies.back().at("error").at("code").get<int>(); }
};

constexpr std::string_view echo_42 = R"({"jsonrpc":"2.0","id":1,"method":"echo","params":[42]})";

}  // namespace

TEST_CASE("a request is answered under its id, whatever type the id has") {
    for (const auto* id : {"1", "-7", "1.5", "\"a\"", "null", "\"\\u0000\\n\""}) {
        Conversation talk;
        talk.receive(std::string{R"({"jsonrpc":"2.0","method":"echo","params":{"x":1},"id":)"} + id + "}\n");
        REQUIRE(talk.replies.size() == 1);
        CHECK(talk.replies[0] == json{{"jsonrpc", "2.0"}, {"id", json::parse(id)}, {"result", {{"x", 1}}}});
    }
}

TEST_CASE("every malformed message gets the error code that the specification gives it") {
    struct Case {
        std::string line;
        RpcCode code;
        json id;
    };

    const std::vector<Case> cases = {
        {"{", RpcCode::parse_error, nullptr},
        {"hello", RpcCode::parse_error, nullptr},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"\xFF\"}", RpcCode::parse_error, nullptr},
        {std::string("\0\0", 2), RpcCode::parse_error, nullptr},
        {"[]", RpcCode::invalid_request, nullptr},
        {"[" + std::string{echo_42} + "]", RpcCode::invalid_request, nullptr},
        {"1", RpcCode::invalid_request, nullptr},
        {"null", RpcCode::invalid_request, nullptr},
        {"{}", RpcCode::invalid_request, nullptr},
        {R"({"id":3,"method":"echo"})", RpcCode::invalid_request, 3},
        {R"({"jsonrpc":"1.0","id":3,"method":"echo"})", RpcCode::invalid_request, 3},
        {R"({"jsonrpc":2.0,"id":3,"method":"echo"})", RpcCode::invalid_request, 3},
        {R"({"jsonrpc":"2.0","id":3})", RpcCode::invalid_request, 3},
        {R"({"jsonrpc":"2.0","id":3,"method":7})", RpcCode::invalid_request, 3},
        {R"({"jsonrpc":"2.0","id":[3],"method":"echo"})", RpcCode::invalid_request, nullptr},
        {R"({"jsonrpc":"2.0","id":true,"method":"echo"})", RpcCode::invalid_request, nullptr},
        {R"({"jsonrpc":"2.0","id":3,"method":"echo","params":"x"})", RpcCode::invalid_request, 3},
        {R"({"jsonrpc":"2.0","id":3,"method":"sing"})", RpcCode::unknown_method, 3},
        {R"({"jsonrpc":"2.0","id":3,"method":"refuse"})", RpcCode::invalid_params, 3},
        {R"({"jsonrpc":"2.0","id":3,"method":"fail"})", RpcCode::internal_error, 3},
        {R"({"jsonrpc":"2.0","id":3,"method":"forget"})", RpcCode::internal_error, 3},
    };
    for (const auto& [line, code, id] : cases) {
        CAPTURE(line);
        Conversation talk;
        talk.receive(line + '\n');
        REQUIRE(talk.replies.size() == 1);
        CHECK(talk.error_code() == static_cast<int>(code));
        CHECK(talk.replies[0].at("id") == id);
        CHECK(talk.session->outstanding() == 0);
        talk.receive(std::string{echo_42} + '\n');
        CHECK(talk.replies.back().at("result") == json{42});
    }
}

TEST_CASE("no truncation and no single-byte change of a request breaks the session") {
    const std::string valid{echo_42};
    const auto survives = [](const std::string& line) {
        Conversation talk;
        talk.receive(line + '\n' + std::string{echo_42} + '\n');
        REQUIRE(!talk.replies.empty());
        CHECK(talk.replies.back() == json{{"jsonrpc", "2.0"}, {"id", 1}, {"result", {42}}});
    };
    for (std::size_t size = 0; size < valid.size(); ++size) survives(valid.substr(0, size));
    for (std::size_t i = 0; i < valid.size(); ++i) {
        for (const char byte : {'\0', '\n', '"', '{', ']', '9', '\x80', '\xFF'}) {
            auto changed = valid;
            changed[i] = byte;
            survives(changed);
        }
    }
}

TEST_CASE("an unknown method's error names those that there are") {
    Conversation talk;
    talk.receive("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"sing\"}\n");
    CHECK(talk.replies[0]["error"]["message"] ==
          "no method 'sing': there are echo, fail, forget, keep, refuse");
}

TEST_CASE("a handler's exception tells the client what went wrong") {
    Conversation talk;
    talk.receive("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"fail\"}\n");
    CHECK(talk.replies[0]["error"]["message"] == "the pool is on fire");
}

TEST_CASE("a notification is carried out and never answered") {
    Conversation talk;
    talk.receive("{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n");
    CHECK(talk.calls == 1);
    for (const auto* method : {"sing", "fail", "refuse", "forget", "keep"}) {
        talk.receive(std::string{R"({"jsonrpc":"2.0","method":")"} + method + "\"}\n");
    }
    REQUIRE(talk.kept.size() == 1);
    talk.kept[0].result({});
    CHECK(talk.replies.empty());
}

TEST_CASE("requests are recognized however the bytes are cut") {
    std::string input;
    for (int i = 0; i < 5; ++i) input += std::string{echo_42} + (i % 2 == 0 ? "\n" : "\r\n\n");
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{64}, input.size()}) {
        CAPTURE(step);
        Conversation talk;
        for (std::size_t at = 0; at < input.size(); at += step)
            talk.receive(std::string_view{input}.substr(at, step));
        CHECK(talk.replies.size() == 5);
        CHECK(talk.calls == 5);
    }
}

TEST_CASE("the last line counts only once it is ended") {
    const Conversation talk;
    talk.receive(echo_42);
    CHECK(talk.replies.empty());
    talk.receive("\n");
    CHECK(talk.replies.size() == 1);
}

TEST_CASE(
    "a line of the largest size is served, one byte more is refused once, and the next line is served") {
    const auto padded = [](std::size_t size) {
        auto line = std::string{echo_42};
        line.append(size - line.size(), ' ');
        return line + '\n';
    };
    for (const std::size_t step : {std::size_t{4096}, std::size_t{1} << 30U}) {
        Conversation talk;
        const auto feed = [&](const std::string& bytes) {
            for (std::size_t at = 0; at < bytes.size(); at += step) {
                talk.receive(std::string_view{bytes}.substr(at, step));
            }
        };
        feed(padded(RpcSession::max_line));
        REQUIRE(talk.replies.size() == 1);
        CHECK(talk.replies[0].contains("result"));
        feed(padded(RpcSession::max_line + 1));
        REQUIRE(talk.replies.size() == 2);
        CHECK(talk.error_code() == static_cast<int>(RpcCode::invalid_request));
        feed(padded(3 * RpcSession::max_line));
        REQUIRE(talk.replies.size() == 3);
        feed(padded(100));
        REQUIRE(talk.replies.size() == 4);
        CHECK(talk.replies[3].contains("result"));
    }
}

TEST_CASE("values nested too deep are refused without being built") {
    Conversation talk;
    const auto nested = [](std::size_t depth) {
        return R"({"jsonrpc":"2.0","id":1,"method":"echo","params":)" + std::string(depth, '[') +
               std::string(depth, ']') + "}\n";
    };
    talk.receive(nested(20));
    CHECK(talk.replies.back().contains("result"));
    for (const std::size_t depth : {std::size_t{33}, std::size_t{400000}}) {
        talk.receive(nested(depth));
        CHECK(talk.error_code() == static_cast<int>(RpcCode::invalid_request));
    }
    talk.receive(std::string(400000, '[') + '\n');
    CHECK(talk.error_code() == static_cast<int>(RpcCode::invalid_request));
}

TEST_CASE("a reply may come later, out of order, and only the first of several counts") {
    Conversation talk;
    talk.receive(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"keep\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":"
        "\"keep\"}\n");
    CHECK(talk.replies.empty());
    CHECK(talk.session->outstanding() == 2);
    talk.kept[1].result("second");
    talk.kept[0].error(RpcCode::internal_error, "first");
    talk.kept[0].result("again");
    talk.kept.clear();
    REQUIRE(talk.replies.size() == 2);
    CHECK(talk.replies[0] == json{{"jsonrpc", "2.0"}, {"id", 2}, {"result", "second"}});
    CHECK(talk.replies[1].at("error").at("message") == "first");
    CHECK(talk.session->outstanding() == 0);
}

TEST_CASE("a reply that comes after the client has gone goes nowhere") {
    Conversation talk;
    talk.receive("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"keep\"}\n");
    talk.session.reset();
    talk.kept[0].result("too late");
    CHECK(talk.replies.empty());
}

TEST_CASE("requests beyond the bound are refused until others are answered") {
    Conversation talk;
    const std::string keep = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"keep\"}\n";
    for (std::size_t i = 0; i < RpcSession::max_outstanding; ++i) talk.receive(keep);
    CHECK(talk.replies.empty());
    talk.receive(keep);
    REQUIRE(talk.replies.size() == 1);
    CHECK(talk.error_code() == static_cast<int>(RpcCode::busy));
    CHECK(talk.kept.size() == RpcSession::max_outstanding);
    talk.kept[0].result({});
    talk.receive(keep);
    CHECK(talk.replies.size() == 2);
    CHECK(talk.kept.size() == RpcSession::max_outstanding + 1);
}

TEST_CASE("bytes that are not UTF-8 in a result are replaced") {
    Conversation talk;
    talk.methods["raw"] = [](const json&, const Reply& reply) { reply.result("a\xFFz"); };
    talk.receive("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"raw\"}\n");
    REQUIRE(talk.replies.size() == 1);
    CHECK(talk.replies[0]["result"] == "a\xEF\xBF\xBDz");
}
