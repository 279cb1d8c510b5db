#include "cli/timestamp_store.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

#include <sys/stat.h>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.h"

using namespace std::chrono_literals;
using namespace weft;
using test::TemporaryFolder;

namespace {

constexpr auto record_size = TimestampStore::record_size;
constexpr Handshaker::WallTime noon{std::chrono::seconds{1'800'000'000}};

PublicKey key(std::uint32_t n) {
    PublicKey made;
    for (std::size_t i = 0; i < 4; ++i) made.bytes[i] = static_cast<std::uint8_t>(n >> (8 * i));
    return made;
}

Timestamp at(std::chrono::seconds after) {
    return Timestamp::at(noon + after);
}

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write(const std::string& path, const std::string& bytes) {
    std::ofstream{path, std::ios::binary} << bytes;
}

std::string refusal(const std::string& folder) {
    try {
        const TimestampStore store(folder, "node");
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

struct Fixture {
    TemporaryFolder folder;
    std::string path = folder / "node.timestamps";
};

}  // namespace

TEST_CASE("what was remembered is there after a restart, the newest of each key") {
    Fixture f;
    {
        TimestampStore store(f.folder.path(), "node");
        CHECK(store.newest(key(1)) == Timestamp{});
        store.remember(key(1), at(1s));
        store.remember(key(2), at(2s));
        store.remember(key(1), at(3s));
    }
    TimestampStore store(f.folder.path(), "node");
    CHECK(store.newest(key(1)) == at(3s));
    CHECK(store.newest(key(2)) == at(2s));
    CHECK(store.newest(key(3)) == Timestamp{});
    store.remember(key(3), at(4s));
    CHECK(read(f.path).size() == 4 * record_size);
}

TEST_CASE("what was remembered is in the file at once, as for a process that is killed now") {
    Fixture f;
    TimestampStore store(f.folder.path(), "node");
    store.remember(key(1), at(1s));
    TemporaryFolder other;
    write(other / "node.timestamps", read(f.path));
    CHECK(TimestampStore(other.path(), "node").newest(key(1)) == at(1s));
}

TEST_CASE("a key's record is overwritten in place: the file grows with keys only") {
    Fixture f;
    TimestampStore store(f.folder.path(), "node");
    for (int i = 0; i < 1000; ++i) store.remember(key(static_cast<std::uint32_t>(i % 10)), at(1s * i));
    CHECK(read(f.path).size() == 11 * record_size);
}

TEST_CASE("beyond its limit the key longest unused gives way") {
    Fixture f;
    {
        TimestampStore store(f.folder.path(), "node");
        for (std::uint32_t i = 0; i < TimestampStore::max_keys; ++i)
            store.remember(key(i), at(std::chrono::seconds{i == 7 ? 0 : 1 + i}));
        store.remember(key(1'000'000), at(100'000s));
        CHECK(store.newest(key(7)) == Timestamp{});
    }
    CHECK(std::filesystem::file_size(f.path) == (TimestampStore::max_keys + 1) * record_size);
    const TimestampStore store(f.folder.path(), "node");
    CHECK(store.newest(key(1'000'000)) == at(100'000s));
    CHECK(store.newest(key(7)) == Timestamp{});
    CHECK(store.newest(key(8)) == at(9s));
}

TEST_CASE("folder and file are made, for their owner's eyes only") {
    Fixture f;
    const std::string made = f.folder / "state";
    const TimestampStore store(made, "node");
    struct stat status{};
    REQUIRE(::stat(made.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0700);
    REQUIRE(::stat((made + "/node.timestamps").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
}

TEST_CASE("a folder that cannot be had is an error with its cure") {
    Fixture f;
    const auto said = refusal(f.folder / "no/such");
    CHECK(said.starts_with("cannot make folder " + (f.folder / "no/such") + ": No such file or directory: "));
    CHECK(said.ends_with("or name another with [node] state_dir"));
}

TEST_CASE("two daemons do not share a file") {
    Fixture f;
    const TimestampStore store(f.folder.path(), "node");
    CHECK(refusal(f.folder.path())
              .starts_with("timestamp file " + f.path + ": Resource temporarily unavailable: another weftd"));
    CHECK_NOTHROW(TimestampStore(f.folder.path(), "other"));
}

TEST_CASE("a record that was not written to its end, or never begun, is none") {
    Fixture f;
    {
        TimestampStore store(f.folder.path(), "node");
        store.remember(key(1), at(1s));
        store.remember(key(2), at(2s));
    }
    const auto whole = read(f.path);
    for (std::size_t cut = 2 * record_size; cut < whole.size(); ++cut) {
        write(f.path, whole.substr(0, cut));
        TimestampStore store(f.folder.path(), "node");
        CHECK(store.newest(key(1)) == at(1s));
        CHECK(store.newest(key(2)) == Timestamp{});
        store.remember(key(3), at(3s));
        CHECK(store.newest(key(3)) == at(3s));
    }
    CHECK(TimestampStore(f.folder.path(), "node").newest(key(3)) == at(3s));

    write(f.path,
          whole.substr(0, record_size) + std::string(record_size, '\0') + whole.substr(2 * record_size));
    const TimestampStore store(f.folder.path(), "node");
    CHECK(store.newest(key(1)) == Timestamp{});
    CHECK(store.newest(key(2)) == at(2s));
}

TEST_CASE("an empty file is a new one") {
    Fixture f;
    write(f.path, "");
    {
        TimestampStore(f.folder.path(), "node").remember(key(1), at(1s));
    }
    CHECK(TimestampStore(f.folder.path(), "node").newest(key(1)) == at(1s));
}

TEST_CASE("a changed byte anywhere is found, and the file and the cure are named") {
    Fixture f;
    {
        TimestampStore store(f.folder.path(), "node");
        store.remember(key(1), at(1s));
    }
    const auto whole = read(f.path);
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto changed = whole;
        changed[i] = static_cast<char>(changed[i] ^ 0x08);
        write(f.path, changed);
        const auto said = refusal(f.folder.path());
        CHECK(said.starts_with("timestamp file " + f.path + " is "));
        CHECK(said.find("remove it if this machine's clock is right") != std::string::npos);
    }
    write(f.path, "weft-");
    CHECK(refusal(f.folder.path()).starts_with("timestamp file " + f.path + " is not one: "));
    write(f.path, whole);
    CHECK(refusal(f.folder.path()).empty());
}

TEST_CASE("a link is not followed out of the folder") {
    Fixture f;
    std::filesystem::create_symlink(f.folder / "elsewhere", f.path);
    CHECK(refusal(f.folder.path()).starts_with("timestamp file " + f.path + ": Too many levels"));
    CHECK_FALSE(std::filesystem::exists(f.folder / "elsewhere"));
}

TEST_CASE("this node's own timestamps go on a minute later than the file says, if its clock is behind") {
    Fixture f;
    TimestampStore store(f.folder.path(), "node");
    CHECK(store.own(key(1), noon) == Timestamp{});
    store.remember(key(1), at(100s));
    CHECK(store.own(key(1), noon + 200s) == at(100s));
    CHECK(store.own(key(1), noon) == at(160s));
}
