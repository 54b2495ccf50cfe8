#include "domain/node.hpp"

#include "base/log.hpp"
#include "domain/node_impl.hpp"

namespace sealift::domain {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kAlone: return "alone";
    case Role::kServer: return "server";
    case Role::kFollower: return "follower";
    case Role::kExpelled: return "expelled";
    case Role::kHalted: return "halted";
  }
  return "unknown";
}

Node::Impl::Impl(const crypto::Identity& node_identity, NodeOptions node_options)
    : identity(node_identity.clone()), options(std::move(node_options)) {
  make_services();
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Node::~Node() {
  stop();
  std::future<void> gone;
  {
    auto slot = impl_->slot.lock();
    slot->core.reset();
    gone = std::move(slot->gone);
  }
  if (gone.valid()) gone.wait();
}

Result<std::unique_ptr<Node>> Node::open(const crypto::Identity& identity, NodeOptions options) {
  options.self.key = identity.public_key();
  auto impl = std::make_unique<Impl>(identity, std::move(options));
  const file::Path& directory = impl->options.directory;
  SEALIFT_TRY_STATUS(file::make_private_directory(directory));
  SEALIFT_TRY_STATUS(finish_replacement(directory));
  const file::Path genesis = directory / "genesis.json";
  if (!std::filesystem::exists(genesis)) {
    if (std::filesystem::exists(directory / "ledger.db")) {
      return fail(Code::kCorrupt,
                  "{} is missing beside a ledger.db: put it back, or ask another member for it",
                  genesis.string());
    }
    SEALIFT_TRY_STATUS(file::write_atomic(genesis, impl->own_genesis().bytes));
  }
  SEALIFT_TRY_STATUS(impl->open_core());
  return std::unique_ptr<Node>(new Node(std::move(impl)));
}

ledger::Genesis Node::Impl::own_genesis() const {
  return ledger::make_genesis(options.self, {}, options.clock->wall(), *options.random);
}

Result<Node::Impl::CoreRef> Node::Impl::core() const {
  auto locked = slot.lock();
  if (locked->core) return locked->core;
  return fail(Code::kUnavailable, "this host is changing its domain at this moment: try again");
}

Status Node::Impl::open_core() {
  Core::Options core_options;
  core_options.compare_every = options.compare_every;
  core_options.follow = {options.redial_max, options.follow_hold, options.on_alarm, {}, options.call_backs};
  auto opened =
      Core::open(options.directory, options.self.name, identity, *options.clock, std::move(core_options));
  if (!opened) return std::unexpected(opened.error());
  auto gone = std::make_shared<std::promise<void>>();  // shared: std::function-like deleters are copied
  std::future<void> destroyed = gone->get_future();
  CoreRef fresh(opened->release(), [gone](Core* core) {
    delete core;
    gone->set_value();
  });
  bool start_it = false;
  {
    auto locked = slot.lock();
    locked->core = fresh;
    locked->gone = std::move(destroyed);
    locked->geneses.push_back(fresh->chain().genesis());
    start_it = locked->started;
  }
  if (start_it) fresh->start();
  return {};
}

Status Node::Impl::replace(const Replacement& replacement) {
  SEALIFT_TRY_STATUS(begin_replacement(options.directory, replacement));
  std::future<void> gone;
  {
    CoreRef old;
    {
      auto locked = slot.lock();
      old = std::move(locked->core);
      locked->core.reset();
      gone = std::move(locked->gone);
      if (old) {
        locked->last_state = old->chain().final_state();
        locked->last_height = old->chain().final_height();
      }
    }
    if (old) old->stop();
  }
  if (gone.valid()) gone.wait();
  SEALIFT_TRY_STATUS(finish_replacement(options.directory));
  SEALIFT_TRY_STATUS(open_core());
  if (auto* peers = server.load())
    peers->set_domain(ledger::DomainId{crypto::sha256(replacement.genesis)}.hex());
  return {};
}

void Node::start() {
  Impl::CoreRef core;
  {
    auto slot = impl_->slot.lock();
    slot->started = true;
    core = slot->core;
  }
  if (core) core->start();
}

void Node::stop() {
  Impl::CoreRef core;
  {
    auto slot = impl_->slot.lock();
    slot->started = false;
    core = slot->core;
  }
  if (core) core->stop();
}

NodeStatus Node::status() const {
  NodeStatus status;
  status.self = impl_->options.self.name;
  const auto core = impl_->core();
  if (!core) {
    status.waiting_for = core.error().message;
    return status;
  }
  const ledger::Chain& chain = (*core)->chain();
  const ledger::Serving serving = chain.state()->serving();
  status.role = (*core)->role();
  status.domain = chain.genesis().id();
  status.server = serving.server;
  status.term = serving.term;
  status.height = chain.height();
  status.final_height = chain.final_height();
  status.waiting_for = (*core)->waiting_for();
  if ((*core)->serving()) {
    status.peers = (*core)->server().peers();
  } else {
    status.peers.push_back({serving.server, (*core)->follow().connected(), chain.final_height()});
  }
  return status;
}

std::optional<Evidence> Node::evidence() const {
  const auto core = impl_->core();
  return core ? (*core)->replica().evidence() : std::nullopt;
}

std::optional<ExpulsionProof> Node::expelled() const {
  const auto core = impl_->core();
  return core ? (*core)->follow().removal() : std::nullopt;
}

const ledger::Genesis& Node::genesis() const {
  return impl_->slot.lock()->geneses.back();
}

}  // namespace sealift::domain
