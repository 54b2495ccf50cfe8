#pragma once

// What the command line prints: tables, sizes, durations, errors. Standard output carries results, standard
// error everything else; --json prints the daemon's answer as it is.

#include <cstdint>
#include <string>
#include <vector>

#include "base/human.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace sealift::app {

// Exit codes, documented in docs/OPERATING.md and in --help.
constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitRefused = 3;      // a rule or a check said no: nothing was changed
constexpr int kExitUnavailable = 4;  // no daemon, no quorum, no answer in time: try again

int exit_code(Code code);
int print_error(const Error& error, bool as_json);  // returns the exit code

// Columns as wide as their widest cell, two spaces between.
void print_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);
// "name   value" lines, values aligned.
void print_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);

Result<std::uint64_t> parse_bytes(std::string_view text);  // 512M, 1.5GiB, 4096; powers of 1024

// A field of a daemon's answer as text; "-" where it is missing or null.
std::string field(const Json& object, const std::string& name);
std::uint64_t number_field(const Json& object, const std::string& name);

}  // namespace sealift::app
