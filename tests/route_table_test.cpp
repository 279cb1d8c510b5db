#include "vswitch/route_table.h"

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"

using namespace weft;
using weft::test::ip;
using weft::test::prefix;

namespace {

// The obvious table: a list that is searched from end to end.
class LinearTable {
  public:
    bool insert(const Prefix& to, int value) {
        if (find(to) != nullptr) return false;
        entries_.push_back({to.network(), value});
        return true;
    }

    bool erase(const Prefix& to) {
        return std::erase_if(entries_, [&](const Entry& entry) { return entry.to == to.network(); }) > 0;
    }

    [[nodiscard]] const int* find(const Prefix& to) const {
        for (const Entry& entry : entries_) {
            if (entry.to == to.network()) return &entry.value;
        }
        return nullptr;
    }

    [[nodiscard]] const int* lookup(const IpAddress& address) const {
        const Entry* best = nullptr;
        for (const Entry& entry : entries_) {
            if (entry.to.contains(address) && (best == nullptr || entry.to.length > best->to.length))
                best = &entry;
        }
        return best == nullptr ? nullptr : &best->value;
    }

    [[nodiscard]] std::vector<std::pair<Prefix, int>> sorted() const {
        std::vector<std::pair<Prefix, int>> all;
        all.reserve(entries_.size());
        for (const Entry& entry : entries_) all.emplace_back(entry.to, entry.value);
        std::ranges::sort(all, [](const auto& a, const auto& b) {
            return std::tuple(a.first.address.is_v6(), a.first) <
                   std::tuple(b.first.address.is_v6(), b.first);
        });
        return all;
    }

  private:
    struct Entry {
        Prefix to;
        int value;
    };

    std::vector<Entry> entries_;
};

// Addresses that share long runs of bits, so that prefixes nest and part at every length.
class AddressSource {
  public:
    explicit AddressSource(unsigned seed) : random_(seed) {}

    IpAddress address() {
        std::array<std::uint8_t, 16> octets{};
        const bool is_v6 = random_() % 2 == 0;
        const std::size_t size = is_v6 ? 16 : 4;
        for (std::size_t i = 0; i < size; ++i) {
            octets[i] = static_cast<std::uint8_t>(random_() % 4 == 0 ? random_() : random_() % 2 * 0xFF);
        }
        return is_v6 ? IpAddress::v6(octets) : IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
    }

    Prefix prefix() {
        const IpAddress at = address();
        return {at, static_cast<std::uint8_t>(random_() % (at.width() + 1))};
    }

    std::uint32_t number() { return static_cast<std::uint32_t>(random_()); }

  private:
    std::mt19937 random_;
};

bool same(const int* a, const int* b) {
    return (a == nullptr) == (b == nullptr) && (a == nullptr || *a == *b);
}

}  // namespace

TEST_CASE("the longest of nested prefixes wins") {
    PrefixMap<int> map;
    CHECK(map.insert(prefix("0.0.0.0/0"), 0));
    CHECK(map.insert(prefix("10.0.0.0/8"), 8));
    CHECK(map.insert(prefix("10.1.128.0/17"), 17));
    CHECK(map.insert(prefix("10.1.0.0/16"), 16));
    CHECK(map.insert(prefix("10.1.128.7/32"), 32));
    CHECK(*map.lookup(ip("10.1.128.7")) == 32);
    CHECK(*map.lookup(ip("10.1.128.8")) == 17);
    CHECK(*map.lookup(ip("10.1.0.1")) == 16);
    CHECK(*map.lookup(ip("10.2.0.1")) == 8);
    CHECK(*map.lookup(ip("192.0.2.1")) == 0);
}

TEST_CASE("the families do not see one another") {
    PrefixMap<int> map;
    map.insert(prefix("0.0.0.0/0"), 4);
    CHECK(map.lookup(ip("::1")) == nullptr);
    CHECK(map.lookup(ip("::")) == nullptr);
    map.insert(prefix("::/0"), 6);
    CHECK(*map.lookup(ip("::")) == 6);
    CHECK(*map.lookup(ip("0.0.0.0")) == 4);
}

TEST_CASE("a prefix is there once, whatever its host bits are") {
    PrefixMap<int> map;
    CHECK(map.insert(prefix("10.0.0.0/8"), 1));
    CHECK_FALSE(map.insert(Prefix{ip("10.9.9.9"), 8}, 2));
    CHECK(*map.find(Prefix{ip("10.3.3.3"), 8}) == 1);
    CHECK(map.erase(Prefix{ip("10.4.4.4"), 8}));
    CHECK_FALSE(map.erase(prefix("10.0.0.0/8")));
    CHECK(map.lookup(ip("10.0.0.1")) == nullptr);
    CHECK(map.size() == 0);
}

TEST_CASE("what two prefixes have in common is no prefix") {
    PrefixMap<int> map;
    map.insert(prefix("10.0.0.0/16"), 1);
    map.insert(prefix("10.1.0.0/16"), 2);
    CHECK(map.find(prefix("10.0.0.0/15")) == nullptr);
    CHECK_FALSE(map.erase(prefix("10.0.0.0/15")));
    CHECK(map.insert(prefix("10.0.0.0/15"), 3));
    CHECK(*map.find(prefix("10.0.0.0/15")) == 3);
    CHECK(map.erase(prefix("10.0.0.0/15")));
    CHECK(*map.lookup(ip("10.1.0.1")) == 2);
}

TEST_CASE("after any mix of insertions and erasures the table is the linear scan") {
    for (unsigned seed = 1; seed <= 8; ++seed) {
        AddressSource source(seed);
        PrefixMap<int> map;
        LinearTable linear;
        std::vector<Prefix> used;
        for (int step = 0; step < 1500; ++step) {
            const bool again = !used.empty() && source.number() % 2 == 0;
            const Prefix at = again ? used[source.number() % used.size()] : source.prefix();
            // Grows for a while, then shrinks.
            if (source.number() % 1500 > static_cast<unsigned>(step)) {
                used.push_back(at);
                REQUIRE(map.insert(at, step) == linear.insert(at, step));
            } else {
                REQUIRE(map.erase(at) == linear.erase(at));
            }
            REQUIRE(same(map.find(at), linear.find(at)));
            REQUIRE(same(map.lookup(at.address), linear.lookup(at.address)));
            const IpAddress address = source.address();
            REQUIRE(same(map.lookup(address), linear.lookup(address)));
        }
        std::vector<std::pair<Prefix, int>> walked;
        map.for_each([&](const Prefix& to, int value) { walked.emplace_back(to, value); });
        CHECK(walked == linear.sorted());
        CHECK(map.size() == walked.size());
        for (const Prefix& at : used) map.erase(at);
        CHECK(map.size() == 0);
        CHECK(map.lookup(source.address()) == nullptr);
    }
}

TEST_CASE("every prefix of one address nests, for all 129 lengths") {
    PrefixMap<int> map;
    const IpAddress address = ip("2001:db8:ffff:0:5555:aaaa:1234:5678");
    for (int length = 128; length >= 0; length -= 2)
        CHECK(map.insert({address, static_cast<std::uint8_t>(length)}, length));
    for (int length = 1; length <= 128; length += 2)
        CHECK(map.insert({address, static_cast<std::uint8_t>(length)}, length));
    for (int length = 128; length >= 0; --length) {
        CHECK(*map.lookup(address) == length);
        CHECK(map.erase({address, static_cast<std::uint8_t>(length)}));
    }
    CHECK(map.lookup(address) == nullptr);
}

TEST_CASE("a hundred thousand routes come and go") {
    PrefixMap<std::uint32_t> map;
    const auto host = [](std::uint32_t i) {
        const std::uint32_t bits = i * 2654435761U;  // odd: a permutation
        return Prefix{
            IpAddress::v4({static_cast<std::uint8_t>(bits >> 24U), static_cast<std::uint8_t>(bits >> 16U),
                           static_cast<std::uint8_t>(bits >> 8U), static_cast<std::uint8_t>(bits)}),
            32};
    };
    constexpr std::uint32_t routes = 100'000;
    for (std::uint32_t i = 0; i < routes; ++i) REQUIRE(map.insert(host(i), i));
    CHECK(map.size() == routes);
    for (std::uint32_t i = 0; i < routes; ++i) REQUIRE(*map.lookup(host(i).address) == i);
    for (std::uint32_t i = 0; i < routes; i += 2) REQUIRE(map.erase(host(i)));
    for (std::uint32_t i = 0; i < routes; ++i)
        REQUIRE((map.lookup(host(i).address) != nullptr) == (i % 2 == 1));
}
