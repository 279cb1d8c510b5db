// The control methods deny_add and deny_del, and who is told of what they change.
#include "cli/deny.h"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli/rpc.h"

using namespace weft;
using nlohmann::json;

namespace {

struct Denied {
    std::vector<std::string> told;
    DeniedSources sources{[this](DeniedSources::Change change, const Prefix& prefix) {
        told.push_back((change == DeniedSources::Change::add ? "+" : "-") + prefix.to_string());
    }};
    std::vector<config::Peer> peers;

    Denied() {
        for (const auto& [name, host] :
             {std::pair{"site-b", "203.0.113.2"}, {"site-c", "c.example"}, {"site-d", "2001:db8::4"}}) {
            config::Peer& peer = peers.emplace_back();
            peer.name = name;
            peer.endpoint_host = host;
        }
    }

    json add(const json& params) { return deny_add(sources, peers, params); }

    json remove(const json& params) { return deny_del(sources, params); }
};

json of(const char* prefix) {
    return {{"prefix", prefix}};
}

template <class Work>
std::string refusal(Work&& work) {
    try {
        work();
    } catch (const InvalidParams& refused) {
        return refused.what();
    }
    return "no refusal";
}

}  // namespace

TEST_CASE("what is denied and allowed again is told once each, in its order") {
    Denied denied;
    CHECK(denied.add(of("198.51.100.0/24")) == json{{"prefix", "198.51.100.0/24"}, {"peers", json::array()}});
    CHECK(denied.add(of("198.51.100.7"))["prefix"] == "198.51.100.7/32");
    CHECK(denied.remove(of("198.51.100.0/24")) == of("198.51.100.0/24"));
    CHECK(denied.told ==
          std::vector<std::string>{"+198.51.100.0/24", "+198.51.100.7/32", "-198.51.100.0/24"});
    CHECK(denied.sources.prefixes().size() == 1);
}

TEST_CASE("the peers are named whose configured address is denied with it") {
    Denied denied;
    CHECK(denied.add(of("203.0.0.0/8"))["peers"] == json{"site-b"});
    CHECK(denied.add(of("::/0"))["peers"] == json{"site-d"});
    CHECK(denied.add(of("203.0.113.3"))["peers"].empty());
}

TEST_CASE("what cannot be denied or allowed says why, and nobody is told") {
    Denied denied;
    denied.sources.add(*Prefix::parse("10.0.0.0/8"));
    denied.told.clear();

    struct Case {
        json params;
        const char* added;
        const char* removed;
    };

    const Case cases[] = {
        {json{}, "'prefix' is a text, as in \"203.0.113.0/24\"",
         "'prefix' is a text, as in \"203.0.113.0/24\""},
        {{{"prefix", 7}},
         "'prefix' is a text, as in \"203.0.113.0/24\"",
         "'prefix' is a text, as in \"203.0.113.0/24\""},
        {of("site-b"), "'site-b' is not a prefix: write it as in 203.0.113.0/24 or 2001:db8::/32",
         "'site-b' is not a prefix: write it as in 203.0.113.0/24 or 2001:db8::/32"},
        {of("10.1.2.3/8"), "10.1.2.3/8 has host bits set: write 10.0.0.0/8",
         "10.1.2.3/8 has host bits set: write 10.0.0.0/8"},
        {of("10.0.0.0/8"), "10.0.0.0/8 is denied already: weft deny show has them all", nullptr},
        {of("10.7.0.0/16"), nullptr, "10.7.0.0/16 is denied only as part of 10.0.0.0/8: remove that one"},
        {of("0.0.0.0/0"), nullptr, "0.0.0.0/0 is not denied: weft deny show has all that are"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.params.dump());
        if (each.added != nullptr) CHECK(refusal([&] { denied.add(each.params); }) == each.added);
        if (each.removed != nullptr) CHECK(refusal([&] { denied.remove(each.params); }) == each.removed);
    }
    CHECK(denied.told.empty());
}
