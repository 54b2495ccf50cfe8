package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Where the root of a block's records stands in its header (src/ledger/block.hpp).
const (
	headerBytes = 200
	recordsRoot = 136
)

type item struct {
	Envelope []byte   `json:"envelope"`
	Block    []byte   `json:"block"`
	Index    int64    `json:"index"`
	Count    int64    `json:"count"`
	Path     []string `json:"path"`
}

// checkReceipt: the commit record is in its block, and the block is in the log, by the tlog-proof that the
// receipt carries for standard tools.
func checkReceipt(f logFacts, raw []byte) error {
	var receipt struct {
		Records   map[string]item `json:"records"`
		TlogProof string          `json:"tlog_proof"`
	}
	if err := json.Unmarshal(raw, &receipt); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	commit, ok := receipt.Records["commit"]
	if !ok || len(commit.Block) != headerBytes {
		return errors.New("receipt: no commit record with its block")
	}
	path := tlog.RecordProof{}
	for _, text := range commit.Path {
		b, err := hex.DecodeString(text)
		if err != nil {
			return fmt.Errorf("receipt: %w", err)
		}
		path = append(path, hashOf(b))
	}
	root := hashOf(commit.Block[recordsRoot : recordsRoot+tlog.HashSize])
	leaf := tlog.RecordHash(commit.Envelope)
	if err := tlog.CheckRecord(path, commit.Count, root, commit.Index, leaf); err != nil {
		return fmt.Errorf("receipt: record in block: %w", err)
	}
	if err := checkTlogProof(f, receipt.TlogProof, commit.Block); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	altered := append([]byte{}, commit.Block...)
	altered[50] ^= 1
	if checkTlogProof(f, receipt.TlogProof, altered) == nil {
		return errors.New("receipt: an altered block passes")
	}
	fmt.Printf("Go reads %s: the commit's record and tlog-proof\n", f.Receipt)
	return nil
}

// splitTlogProof: c2sp.org/tlog-proof, v1. The released reader of it (transparency-dev/formats/proof) needs a newer
// Go than Debian 12 has; what the text holds is checked by the standard packages all the same.
func splitTlogProof(text string) (index int64, path tlog.RecordProof, checkpoint []byte, err error) {
	head, rest, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, nil, nil, errors.New("no tlog-proof")
	}
	number, isIndex := strings.CutPrefix(lines[1], "index ")
	index, err = strconv.ParseInt(number, 10, 64)
	if !isIndex || err != nil {
		return 0, nil, nil, errors.New("tlog-proof without an index")
	}
	for _, line := range lines[2:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return 0, nil, nil, errors.New("tlog-proof with a bad hash")
		}
		path = append(path, hashOf(hash))
	}
	return index, path, []byte(rest), nil
}

func checkTlogProof(f logFacts, text string, entry []byte) error {
	index, path, checkpoint, err := splitTlogProof(text)
	if err != nil {
		return err
	}
	server, err := note.NewVerifier(f.LogKey)
	if err != nil {
		return err
	}
	witnesses := []note.Verifier{}
	for _, key := range f.Witnesses {
		v, err := fnote.NewVerifierForCosignatureV1(key)
		if err != nil {
			return err
		}
		witnesses = append(witnesses, v)
	}
	cp, _, n, err := log.ParseCheckpoint(checkpoint, f.Origin, server, witnesses...)
	if err != nil {
		return err
	}
	if len(n.Sigs) != 1+len(f.Witnesses) {
		return fmt.Errorf("%d signatures verified", len(n.Sigs))
	}
	return tlog.CheckRecord(path, int64(cp.Size), hashOf(cp.Hash), index, tlog.RecordHash(entry))
}
