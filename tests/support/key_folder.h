// A folder with key files, good and bad, for tests of configurations that name them; removed with the object.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <stdlib.h>
#include <sys/stat.h>

namespace weft::test {

class KeyFolder {
  public:
    KeyFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "weft-keys-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
        path_ = pattern;
        write("a.key", "d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3c=\n");
        write("open.key", "d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3c=\n", 0644);
        write("short.key", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==\n");
        write("junk.key", "not a key\n");
        write("psk.key", "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=\n");
        write("sa1.key", "AQEBAQEBAQEBAQEBAQEBAQEBAQE=\n");  // 20 bytes
        write("sa2.key", "AgICAgICAgICAgICAgICAgICAgI=\n");
        write("sa3.key", "AwMDAwMDAwMDAwMDAwMDAwMDAwM=\n");
        write("sa256.key", "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n");  // 36 bytes
    }

    ~KeyFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    KeyFolder(const KeyFolder&) = delete;
    KeyFolder& operator=(const KeyFolder&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    std::string write(std::string_view name, std::string_view text, ::mode_t mode = 0600) const {
        const std::string path = path_ + '/' + std::string{name};
        std::ofstream{path} << text;
        ::chmod(path.c_str(), mode);
        return path;
    }

    // What a problem says after "FILE:", with this folder as DIR.
    [[nodiscard]] std::string shorten(std::string problem, const std::string& file) const {
        if (problem.starts_with(file + ':')) problem.erase(0, file.size() + 1);
        for (auto at = problem.find(path_); at != std::string::npos; at = problem.find(path_))
            problem.replace(at, path_.size(), "DIR");
        return problem;
    }

  private:
    std::string path_;
};

}  // namespace weft::test
