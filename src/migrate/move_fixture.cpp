#include "migrate/move_fixture.hpp"

#include <fcntl.h>

namespace sealift::migrate::testing {

void Side::up() {
  if (!hypervisor) {
    hypervisor::qemu::QemuSettings settings;
    settings.accelerator = hypervisor::Accelerator::kTcg;
    settings.scratch_directory = state / "probe";
    auto opened = hypervisor::qemu::open_qemu(settings, soon(), Stop());
    ASSERT_TRUE(opened) << opened.error().message;
    hypervisor = std::move(*opened);
  }
  records = *host::LedgerRecords::open({.state_directory = state,
                                        .self = host_name(),
                                        .identity = &identity,
                                        .ledger = &ledger,
                                        .random = &system_random()});
  auto opened = host::Host::open({.state_directory = state,
                                  .config = *host::parse_config("", "sealift.toml", state),
                                  .hypervisor = hypervisor.get(),
                                  .records = records.get()});
  ASSERT_TRUE(opened) << opened.error().message;
  host = std::move(*opened);
  local = std::make_unique<HostSide>(*host, *records, *hypervisor, *hypervisor::qemu::guest_user(""));
  MoveManagerOptions options;
  options.directory = state;
  options.self = host_name();
  options.identity = &identity;
  options.ledger = &ledger;
  options.host = local.get();
  options.numbers = &records->numbering();
  options.session.reconnect_for = 2s;
  options.seal_patience = 3s;
  auto manager = MoveManager::open(std::move(options));
  ASSERT_TRUE(manager) << manager.error().message;
  moves = std::move(*manager);
  server =
      std::make_unique<net::PeerServer>(identity, net::PeerServerOptions{.host_name = name, .domain = ""},
                                        [](const crypto::PublicKey&, const net::Hello&) { return Status{}; });
  moves->attach(*server);
  ASSERT_OK(server->start({"127.0.0.1", port}));
  port = server->port();
  ASSERT_OK(moves->start());
  host->begin();
  records->start([this](const ledger::VmId& vm) {
    const auto move = moves->unfinished(vm);
    return !move || move->has_value();
  });
}

void Side::down() {
  if (server) server->stop();
  moves.reset();
  server.reset();
  local.reset();
  host.reset();
  records.reset();
}

void MoveTest::SetUp() {
  if (const auto missing = hypervisor::testing::guest_missing()) GTEST_SKIP() << *missing;
  shared_ = std::make_unique<SharedLedger>(genesis_of({"bern", "zurich"}));
  for (const char* name : {"zurich", "bern"}) {
    std::filesystem::create_directories(directory_.path() / name);
    auto& side = std::string_view(name) == "zurich" ? zurich_ : bern_;
    side = std::make_unique<Side>(name, directory_.path() / name, *shared_);
    side->up();
    const ledger::HostUpdate update{
        1, side->host_name(), {fmt::format("127.0.0.1:{}", side->port)}, std::nullopt};
    ASSERT_OK(shared_->submit(ledger::make_record(shared_->state()->domain(), update, side->identity)));
  }
}

void MoveTest::TearDown() {
  for (Side* side : {zurich_.get(), bern_.get()}) {
    if (side == nullptr || !side->host) continue;
    for (const host::VmView& vm : side->host->list())
      if (vm.machine) static_cast<void>(vm.machine->kill(soon()));
    side->down();
  }
}

file::Path MoveTest::random_image(const std::string& name, std::size_t bytes) {
  const file::Path path = directory_.path() / name;
  const auto fd = file::open(path, O_RDWR | O_CREAT);
  SeededRandom random(11);
  Bytes piece(1 << 20);
  for (std::size_t at = 0; at < bytes; at += 3 * piece.size()) {  // a third is data, the rest holes
    random.fill(piece);
    EXPECT_TRUE(file::write_exact(fd->get(), MutableByteView(piece).first(std::min(piece.size(), bytes - at)),
                                  at, path));
  }
  std::filesystem::resize_file(path, bytes);
  return path;
}

void MoveTest::create(const std::string& vm, const std::string& disks) {
  const auto parsed =
      hypervisor::parse_definition(fmt::format("name = \"{}\"\nmemory = \"96M\"\n{}", vm, disks),
                                   directory_.path() / "vm.toml", system_random());
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto made = zurich_->host->create(*parsed, soon(), Stop());
  ASSERT_TRUE(made) << made.error().message;
}

ledger::MoveId MoveTest::migrate(Side& from, const Side& to, const std::string& vm, std::uint64_t bandwidth) {
  MigrateRequest request;
  request.vm = vm;
  request.to = to.host_name();
  request.bandwidth = bandwidth;
  const auto answer = from.moves->migrate(request, soon(), Stop());
  EXPECT_TRUE(answer) << answer.error().message;
  if (!answer) return {};
  for (const std::string& reason : answer->refused) ADD_FAILURE() << "refused: " << reason;
  EXPECT_TRUE(answer->id.has_value());
  return answer->id.value_or(ledger::MoveId{});
}

MoveProgress MoveTest::wait_end(Side& side, const ledger::MoveId& move) {
  MoveProgress progress;
  const Deadline deadline = soon();
  while (!progress.ended && !deadline.passed()) {
    const auto next = side.moves->wait_change(move.hex(), progress.version, Deadline::in(1s), Stop());
    if (next)
      progress = *next;
    else
      Stop().sleep(20ms);
  }
  EXPECT_TRUE(progress.ended) << json::dump_pretty(to_json(progress));
  return progress;
}

Bytes MoveTest::content(Side& side, const std::string& vm, std::size_t disk) {
  const auto view = side.host->find(vm);
  if (!view) {
    ADD_FAILURE() << view.error().message;
    return {};
  }
  const file::Path raw = directory_.path() / "content.raw";
  const auto converted =
      process::run({"qemu-img", "convert", "-f", std::string(to_string(view->definition.disks[disk].format)),
                    "-O", "raw", view->placement.disks[disk].string(), raw.string()},
                   4096, soon(), Stop());
  EXPECT_TRUE(converted && converted->exit.code == 0) << (converted ? converted->text : "");
  return *file::read(raw, std::size_t{1} << 30U);
}

}  // namespace sealift::migrate::testing
