#include "cli/keylog.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/stat.h>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.h"

using namespace weft;
using test::TemporaryFolder;

namespace {

SaKeys keys_of(Cipher cipher) {
    SaKeys keys;
    keys.spi = 0x1A2B3C;
    keys.cipher = cipher;
    for (std::size_t i = 0; i < 32; ++i) keys.key.writable()[i] = static_cast<std::uint8_t>(i);
    keys.salt = {0xA0, 0xA1, 0xA2, 0xA3};
    return keys;
}

std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

}  // namespace

TEST_CASE("each SA is a line of Wireshark's ESP table") {
    const TemporaryFolder folder;
    const std::string path = folder / "keylog";
    {
        Keylog keylog(path);
        keylog.append(keys_of(Cipher::aes_128_gcm), false);
        keylog.append(keys_of(Cipher::aes_256_gcm), true);
        keylog.append(keys_of(Cipher::chacha20_poly1305), false);
    }
    const std::string half = "000102030405060708090a0b0c0d0e0f";
    const std::string whole = half + "101112131415161718191a1b1c1d1e1f";
    const std::string end = R"(a0a1a2a3","NULL","","64-bit","0")";
    CHECK(lines_of(path) ==
          std::vector<std::string>{
              R"("IPv4","*","*","0x001a2b3c","AES-GCM with 16 octet ICV [RFC4106]","0x)" + half + end,
              R"("IPv6","*","*","0x001a2b3c","AES-GCM with 16 octet ICV [RFC4106]","0x)" + whole + end,
              R"("IPv4","*","*","0x001a2b3c","ChaCha20 with Poly1305 [RFC7634]","0x)" + whole + end});
}

TEST_CASE("a keylog is for its owner's eyes only, and is continued") {
    const TemporaryFolder folder;
    const std::string path = folder / "keylog";
    for (int start = 0; start < 2; ++start) {
        Keylog keylog(path);
        keylog.append(keys_of(Cipher::aes_128_gcm), false);
    }
    CHECK(lines_of(path).size() == 2);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
}

TEST_CASE("a keylog that cannot be opened or written is an error with its reason") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH_AS(Keylog(folder.path()), ("keylog " + folder.path() + ": Is a directory").c_str(),
                         std::runtime_error);
    Keylog full("/dev/full");
    CHECK_THROWS_WITH_AS(full.append(keys_of(Cipher::aes_128_gcm), false), "keylog: No space left on device",
                         std::runtime_error);
}
