#pragma once

// The store's tables (internal to the module). Version 1; a change of any of them is a new version.

#include <string_view>

namespace sealift::ledger {

constexpr int kSchemaVersion = 1;
constexpr std::string_view kSchema = R"sql(
CREATE TABLE genesis (id INTEGER PRIMARY KEY CHECK (id = 1), bytes BLOB NOT NULL);
CREATE TABLE block (height INTEGER PRIMARY KEY, header BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE record (
  id BLOB PRIMARY KEY, height INTEGER NOT NULL REFERENCES block (height), position INTEGER NOT NULL,
  envelope BLOB NOT NULL, UNIQUE (height, position));
CREATE TABLE change (height INTEGER PRIMARY KEY REFERENCES block (height), position INTEGER NOT NULL);
CREATE TABLE checkpoint (
  term INTEGER NOT NULL, size INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (term, size));
CREATE INDEX checkpoint_size ON checkpoint (size);
CREATE TABLE signature (
  term INTEGER NOT NULL, size INTEGER NOT NULL, name TEXT NOT NULL, key_id BLOB NOT NULL,
  signature BLOB NOT NULL, PRIMARY KEY (term, size, name, key_id),
  FOREIGN KEY (term, size) REFERENCES checkpoint (term, size));
CREATE TABLE voted (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, size INTEGER NOT NULL,
  root BLOB NOT NULL);
CREATE TABLE promise (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, server TEXT NOT NULL);
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE state_height (id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL);
CREATE TABLE replaced (number INTEGER PRIMARY KEY, height INTEGER NOT NULL, block BLOB NOT NULL);
CREATE TABLE fork (number INTEGER PRIMARY KEY, height INTEGER NOT NULL, text TEXT NOT NULL,
  ours BLOB NOT NULL, theirs BLOB NOT NULL);
CREATE TABLE refused (id BLOB PRIMARY KEY, number INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE INDEX refused_number ON refused (number);
)sql";

}  // namespace sealift::ledger
