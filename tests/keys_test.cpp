#include "cli/keys.h"

#include <algorithm>
#include <string_view>

#include <doctest/doctest.h>

using namespace weft;

TEST_CASE("public keys are those of RFC 7748 section 6.1") {
    struct Case {
        std::string_view private_key;
        std::string_view public_key;
    };

    constexpr Case cases[] = {
        {"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="},
        {"XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os=", "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="},
    };
    for (const auto& [private_key, public_key] : cases) {
        const auto key = parse_secret(private_key);
        CHECK(key.has_value());
        if (!key) continue;
        CHECK(public_key_of(*key).to_string() == public_key);
    }
}

TEST_CASE("a new private key is clamped, and no two are alike") {
    const auto first = generate_private_key();
    const auto second = generate_private_key();
    for (const auto* key : {&first, &second}) {
        CHECK((key->bytes()[0] & 0x07U) == 0);
        CHECK((key->bytes()[31] & 0xC0U) == 0x40U);
    }
    CHECK(!std::ranges::equal(first.bytes(), second.bytes()));
}

TEST_CASE("a new preshared key is not the one that stands for none") {
    const auto key = generate_preshared_key();
    CHECK(std::ranges::any_of(key.bytes(), [](std::uint8_t byte) { return byte != 0; }));
}
