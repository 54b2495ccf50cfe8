#pragma once

// An example for every command, shown at the end of its --help.

#include <CLI/CLI.hpp>

namespace sealift::app {

void add_examples(CLI::App& root);

}  // namespace sealift::app
