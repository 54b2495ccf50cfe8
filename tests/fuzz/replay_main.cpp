// Runs a libFuzzer entry function without libFuzzer: every file of a corpus folder as it is, then seeded
// mutations of these files (of a few built-in starts where the folder is missing or empty).
// Usage: NAME_fuzz [CORPUS] [--seed N] [--mutations N]. A crash prints seed and number of the input, and
// writes the input beside the working directory as crash-<seed>-<number>, so that it can join the corpus.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;
constexpr std::size_t kInputBytesMax = 256 * 1024;

std::uint64_t g_seed = 0;
std::uint64_t g_number = 0;
const Input* g_input = nullptr;

extern "C" void report_crash(int signal) {
  std::array<char, 96> name{};
  std::snprintf(name.data(), name.size(), "crash-%llu-%llu", static_cast<unsigned long long>(g_seed),
                static_cast<unsigned long long>(g_number));
  std::fprintf(stderr, "fuzz replay: signal %d, seed %llu, input %llu, saved as %s\n", signal,
               static_cast<unsigned long long>(g_seed), static_cast<unsigned long long>(g_number),
               name.data());
  if (g_input != nullptr) {
    const int file = ::open(name.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0) {
      [[maybe_unused]] const auto written = ::write(file, g_input->data(), g_input->size());
      ::close(file);
    }
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Input& input) {
  g_input = &input;
  // An own exact-size copy, so that a sanitizer sees a read past the end.
  const Input exact(input);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  g_input = nullptr;
}

std::vector<Input> load_corpus(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Input> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) {
    return bound == 0 ? 0 : std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

  Input mutate(const std::vector<Input>& corpus) {
    Input input = corpus[below(corpus.size())];
    const std::size_t steps = 1 + below(8);
    for (std::size_t step = 0; step < steps; ++step) mutate_once(input, corpus);
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
    return input;
  }

 private:
  std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

  void mutate_once(Input& input, const std::vector<Input>& corpus) {
    static constexpr std::array<std::uint8_t, 9> kEdges{0, 1, 0x7f, 0x80, 0xff, '"', '{', '\n', '\\'};
    const std::size_t at = below(input.size() + 1);
    const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t length = std::min(input.size() - at, 1 + below(16));
    const auto end = position + static_cast<std::ptrdiff_t>(length);
    switch (below(8)) {
      case 0:
        if (at < input.size()) input[at] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:
        if (at < input.size()) input[at] = kEdges[below(kEdges.size())];
        break;
      case 2: input.insert(position, byte()); break;
      case 3: input.erase(position, end); break;
      case 4: input.resize(at); break;
      case 5: std::fill(position, end, kEdges[below(5)]); break;
      case 6: {
        const Input piece(position, end);
        const auto where = static_cast<std::ptrdiff_t>(below(input.size() + 1));
        input.insert(input.begin() + where, piece.begin(), piece.end());
        break;
      }
      default: {
        const Input& other = corpus[below(corpus.size())];
        const auto from = static_cast<std::ptrdiff_t>(below(other.size() + 1));
        input.resize(at);
        input.insert(input.end(), other.begin() + from, other.end());
      }
    }
  }

  std::mt19937_64 random_;
};

bool parse(std::string_view text, std::uint64_t& value) {
  const auto end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc{} && result.ptr == end;
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder;
  std::uint64_t seed = 1;
  std::uint64_t mutations = 2000;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const bool number = argument == "--seed" || argument == "--mutations";
    if (!number) {
      folder = argument;
    } else if (i + 1 >= argc || !parse(argv[++i], argument == "--seed" ? seed : mutations)) {
      std::fprintf(stderr, "usage: %s [CORPUS] [--seed N] [--mutations N]\n", argv[0]);
      return 2;
    }
  }
  g_seed = seed;
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, report_crash);

  std::vector<Input> corpus = load_corpus(folder);
  const std::size_t files = corpus.size();
  if (corpus.empty()) corpus = {{}, {0}, Input(64, 0xff), Input(256, 0), {'{', '}'}};
  std::printf("fuzz replay: %zu corpus files, %llu mutations, seed %llu\n", files,
              static_cast<unsigned long long>(mutations), static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  for (const Input& input : corpus) {
    run(input);
    ++g_number;
  }
  Mutator mutator(seed);
  for (std::uint64_t i = 0; i < mutations; ++i) {
    run(mutator.mutate(corpus));
    ++g_number;
  }
  return 0;
}
