#include "cli/sequence_store.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/stat.h>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.h"

using namespace weft;
using test::TemporaryFolder;

namespace {

constexpr std::uint32_t spi = 0x12C;
constexpr auto chunk = SequenceStore::chunk;

void write(const std::string& path, const std::string& text) {
    std::ofstream{path} << text;
}

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string file_with(std::uint64_t reserved) {
    return "weft-sequence 1\n0x0000012c " + std::to_string(reserved) + '\n';
}

SaKeys keys(std::uint8_t first_byte, std::uint32_t key_spi = 0x12D) {
    SaKeys made;
    made.spi = key_spi;
    made.key.writable()[0] = first_byte;
    return made;
}

std::string received_refusal(const std::string& path, const SaKeys& inbound, bool is_new) {
    try {
        const ReceivedStore store(path, inbound, is_new);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

// What the constructor says; "" if it accepts the file.
std::string refusal(const std::string& path) {
    try {
        const SequenceStore store(path, spi);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a chunk is reserved on disk before its first number is used") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    write(path, file_with(0));
    const SequenceStore store(path, spi);
    CHECK(store.first() == 1);
    CHECK(store.limit() == chunk);
    CHECK(read(path) == file_with(chunk));
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_CASE("two daemons cannot use the same file at once") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    write(path, file_with(0));
    {
        const SequenceStore store(path, spi);
        const std::string before = read(path);
        CHECK(refusal(path).find("another process uses it") != std::string::npos);
        CHECK(read(path) == before);
    }
    CHECK(refusal(path).empty());
}

TEST_CASE("each start begins above everything that an earlier one may have used") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    write(path, file_with(0));
    std::uint64_t used = 0;
    for (int start = 0; start < 5; ++start) {
        SequenceStore store(path, spi);
        CHECK(store.is_new() == (start == 0));
        CHECK(store.first() == used + 1);
        if (start % 2 == 1) store.reserve_beyond(store.limit());
        used = store.limit();
    }
}

TEST_CASE("more is reserved when less than half a chunk is left") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    write(path, file_with(0));
    SequenceStore store(path, spi);
    CHECK_FALSE(store.reserve_beyond(0));
    CHECK_FALSE(store.reserve_beyond(chunk / 2 - 1));
    CHECK(store.limit() == chunk);
    CHECK(store.reserve_beyond(chunk / 2));
    CHECK(store.limit() == 2 * chunk);
    CHECK(read(path) == file_with(2 * chunk));
    CHECK_FALSE(store.reserve_beyond(chunk));
    CHECK(store.first() == 1);
}

TEST_CASE("a file that is not there is an error that says how to make one") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    const std::string message = refusal(path);
    CHECK(message.find(path) != std::string::npos);
    const std::string recipe = "printf 'weft-sequence 1\\n0x0000012c 0\\n' > " + path;
    CHECK(message.find(recipe) != std::string::npos);
    REQUIRE(std::system(recipe.c_str()) == 0);
    CHECK(refusal(path).empty());
}

TEST_CASE("a file that cannot be trusted is refused, and left as it was") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    const std::string good = file_with(1234567);
    std::vector<std::string> bad = {"weft-sequence 2\n0x0000012c 5\n",
                                    "weft-sequence 1\n0x0000012c -5\n",
                                    "weft-sequence 1\n0x0000012c +5\n",
                                    "weft-sequence 1\n0x0000012c 5x\n",
                                    "weft-sequence 1\n0x0000012c 5\n6\n",
                                    "weft-sequence 1\n0x0000012c 18446744073709551615\n",
                                    "weft-sequence 1\n0x0000012c 18446744073709551616\n",
                                    "weft-sequence 1\n0x0000012c 281474976710657\n",  // 2^48 + 1
                                    "weft-sequence 1\n0x0000012d 5\n",
                                    "weft-sequence 1\n300 5\n"};
    for (std::size_t size = 0; size < good.size(); ++size) bad.push_back(good.substr(0, size));
    for (const std::string& text : bad) {
        CAPTURE(text);
        write(path, text);
        const std::string message = refusal(path);
        CHECK(message.find(path) != std::string::npos);
        CHECK(read(path) == text);
    }
}

TEST_CASE("a file of another SPI is told from a damaged one") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    write(path, "weft-sequence 1\n0x0000012d 5\n");
    CHECK(refusal(path).find("is of SPI 0x0000012d, not 0x0000012c") != std::string::npos);
    write(path, "weft-sequence 1\n");
    CHECK(refusal(path).find("damaged") != std::string::npos);
}

TEST_CASE("what a crash left half-written does not matter; a file that cannot be written does") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    write(path, file_with(41));
    write(path + ".new", "weft-seq");
    SequenceStore store(path, spi);
    CHECK(store.first() == 42);
    std::filesystem::create_directory(path + ".new");
    CHECK_THROWS_AS(store.reserve_beyond(store.limit()), std::runtime_error);
}

TEST_CASE("a start whose reservation cannot be written does not begin") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    write(path, file_with(41));
    std::filesystem::create_directory(path + ".new");
    CHECK(refusal(path).find(path + ".new") != std::string::npos);
}

TEST_CASE("what was received is known again after a restart") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    {
        ReceivedStore store(path, keys(1), true);
        CHECK(store.highest() == 0);
        CHECK(std::filesystem::exists(path + ".received"));
        store.save(17);
        store.save(5'000'000'000);
        store.save(6);  // never lower
        CHECK(store.highest() == 5'000'000'000);
    }
    CHECK(ReceivedStore(path, keys(1), false).highest() == 5'000'000'000);
    CHECK(ReceivedStore(path, keys(1), true).highest() == 5'000'000'000);
    struct stat status{};
    REQUIRE(::stat((path + ".received").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
}

TEST_CASE("under another key or SPI nothing has been received yet") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    ReceivedStore(path, keys(1), true).save(17);
    CHECK(ReceivedStore(path, keys(2), false).highest() == 0);
    CHECK(ReceivedStore(path, keys(2), false).highest() == 0);
    ReceivedStore(path, keys(2), false).save(9);
    CHECK(ReceivedStore(path, keys(2, 0x12E), false).highest() == 0);
}

TEST_CASE(
    "what was received is not guessed: a lost or damaged file is refused, and a lost one can be made again") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    const std::string message = received_refusal(path, keys(1), false);
    CHECK(message.find(path + ".received") != std::string::npos);
    const auto begin = message.find("printf '");
    REQUIRE(begin != std::string::npos);
    std::string recipe = message.substr(begin, message.find(", and restart") - begin);
    recipe.replace(recipe.find(" N"), 2, " 4711");
    REQUIRE(std::system(recipe.c_str()) == 0);
    CHECK(ReceivedStore(path, keys(1), false).highest() == 4711);

    const std::string good = read(path + ".received");
    std::vector<std::string> bad = {"rubbish", good + "1", good.substr(0, good.size() - 1) + "x\n"};
    for (std::size_t size = 0; size < good.size(); ++size) bad.push_back(good.substr(0, size));
    for (const std::string& text : bad) {
        CAPTURE(text);
        write(path + ".received", text);
        for (const bool is_new : {false, true})
            CHECK(received_refusal(path, keys(1), is_new).find("damaged") != std::string::npos);
        CHECK(read(path + ".received") == text);
    }
}

TEST_CASE("what was received has to be writable from the start, and a failure later keeps what there was") {
    const TemporaryFolder folder;
    const std::string path = folder / "counter";
    ReceivedStore store(path, keys(1), true);
    std::filesystem::create_directory(path + ".received.new");
    CHECK_THROWS_AS(store.save(5), std::runtime_error);
    CHECK(store.highest() == 0);
    CHECK_FALSE(received_refusal(path, keys(1), false).empty());
    std::filesystem::remove(path + ".received.new");
    CHECK(ReceivedStore(path, keys(1), false).highest() == 0);
}
