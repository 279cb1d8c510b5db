#include "cli/descriptor_channel.h"

#include <array>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include <doctest/doctest.h>

using namespace weft;

namespace {

struct Pair {
    Pair() : Pair(DescriptorChannel::make_pair()) {}

    explicit Pair(std::pair<Descriptor, Descriptor> ends)
        : a(std::move(ends.first)), b(std::move(ends.second)) {}

    DescriptorChannel a;
    DescriptorChannel b;
};

}  // namespace

TEST_CASE("a message arrives whole, with descriptors of the same files") {
    const Pair pair;
    std::array<int, 2> pipe{};
    REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    const Descriptor out(pipe[0]);
    const Descriptor in(pipe[1]);
    pair.a.send({{"do", "something"}}, {in.get(), out.get()});
    const auto received = pair.b.receive();
    REQUIRE(received);
    CHECK(received->body == nlohmann::json{{"do", "something"}});
    REQUIRE(received->descriptors.size() == 2);
    CHECK(::write(received->descriptors[0].get(), "x", 1) == 1);
    char read = 0;
    CHECK(::read(out.get(), &read, 1) == 1);
    CHECK(read == 'x');
    CHECK((::fcntl(received->descriptors[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("messages keep their bounds, short and long") {
    const Pair pair;
    const std::string large(60'000, 'y');
    pair.a.send({{"text", large}});
    pair.a.send({{"text", ""}});
    CHECK(pair.b.receive().value().body.at("text") == large);
    CHECK(pair.b.receive().value().body.at("text") == "");
}

TEST_CASE("the other side's end is nothing received, and what is sent to it an error") {
    const Pair pair;
    pair.a.finish();
    CHECK_FALSE(pair.b.receive());
    auto [alone, other] = DescriptorChannel::make_pair();
    {
        const Descriptor gone = std::move(other);
    }
    const DescriptorChannel channel(std::move(alone));
    CHECK_THROWS_AS(channel.send({{"do", "something"}}), std::runtime_error);
}
