// Instead of the fuzzer: tries each input of a file once, one a line in hexadecimal digits. Exit status 1 if
// the file cannot be read or holds none; what an input finds aborts.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** arguments) {
    if (count != 2) {
        std::cerr << "usage: " << arguments[0] << " FILE.hex\n";
        return 2;
    }
    std::ifstream file(arguments[1]);
    std::size_t tried = 0;
    for (std::string line; std::getline(file, line); ++tried) {
        std::vector<std::uint8_t> input;
        for (std::size_t i = 0; i + 1 < line.size(); i += 2)
            input.push_back(static_cast<std::uint8_t>(std::stoul(line.substr(i, 2), nullptr, 16)));
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::cout << tried << " inputs of " << arguments[1] << '\n';
    return tried > 0 ? 0 : 1;
}
