// The CNI plugin `weft-cni`: puts containers on a bridge of weftd. docs/containers.md tells how it is set up.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cni/error.h"
#include "cni/request.h"
#include "cni/verbs.h"

namespace weft::cni {

namespace {

const char* environment(const char* name) {
    return std::getenv(name);
}

void print(const nlohmann::json& value) {
    const auto text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

// An error says the version that the configuration asks for, if it is one of ours.
std::string_view version_in(const std::string& text) {
    const auto configuration = nlohmann::json::parse(text, nullptr, false);
    if (!configuration.is_object()) return to_string(newest);
    const auto version = configuration.value("cniVersion", nlohmann::json{});
    if (!version.is_string() || !is_supported(version.get_ref<const std::string&>()))
        return to_string(newest);
    return to_string(parse_version(version.get_ref<const std::string&>()));
}

int run_plugin() {
    std::string text;
    try {
        const auto verb = read_verb(environment);
        text = read_all(STDIN_FILENO);
        const auto result = run(read_request(verb, environment, text));
        if (!result.is_null()) print(result);
        return EXIT_SUCCESS;
    } catch (const Error& failure) {
        print(failure.to_json(version_in(text)));
    } catch (const std::exception& failure) {
        print(Error{Code::internal, failure.what()}.to_json(version_in(text)));
    }
    return EXIT_FAILURE;
}

}  // namespace

}  // namespace weft::cni

int main() {
    return weft::cni::run_plugin();
}
