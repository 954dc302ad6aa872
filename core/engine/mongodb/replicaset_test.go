package mongodb

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// member is a server that speaks as much of the protocol as a mongod does before its replica set takes writes: no mongod is at hand,
// and its stand-in has no replica sets. What it answers is what a mongod 7 does.
type member struct {
	mutex      sync.Mutex
	state      string // new, reading (its configuration, which looks like new), starting or primary
	initiated  bson.Raw
	initiation int
}

func (m *member) answer(command bson.Raw) bson.D {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	ok := bson.E{Key: "ok", Value: 1.0}
	name := command.Index(0).Key()
	switch {
	case name == "replSetInitiate" && m.state == "new":
		m.state, m.initiated = "starting", append(bson.Raw{}, command.Lookup("replSetInitiate").Document()...)
		m.initiation++
		return bson.D{ok}
	case name == "replSetInitiate":
		return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: 23}, {Key: "codeName", Value: "AlreadyInitialized"}, {Key: "errmsg", Value: "already initialized"}}
	case name != "hello":
		return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: 59}, {Key: "errmsg", Value: "no such command"}}
	}
	hello := bson.D{
		{Key: "isWritablePrimary", Value: m.state == "primary"},
		{Key: "secondary", Value: m.state == "starting"},
		{Key: "minWireVersion", Value: 0},
		{Key: "maxWireVersion", Value: 21},
		{Key: "maxBsonObjectSize", Value: 16 << 20},
		{Key: "maxMessageSizeBytes", Value: 48_000_000},
		{Key: "maxWriteBatchSize", Value: 100_000},
	}
	if m.state == "starting" || m.state == "primary" {
		return append(hello, bson.E{Key: "setName", Value: setName}, bson.E{Key: "hosts", Value: bson.A{"127.0.0.1:27017"}}, bson.E{Key: "me", Value: "127.0.0.1:27017"}, ok)
	}
	return append(hello, bson.E{Key: "isreplicaset", Value: true}, bson.E{Key: "info", Value: "Does not have a valid replica set config"}, ok)
}

// serve answers the messages of one connection: a header of 16 bytes, 4 of flags, the kind of the one section, and a document.
func (m *member) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		var header [16]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(header[:])-16)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		document, err := bson.Marshal(m.answer(body[5:]))
		if err != nil {
			return
		}
		out := binary.LittleEndian.AppendUint32(nil, uint32(16+5+len(document)))
		out = append(out, 0, 0, 0, 0)
		out = append(out, header[4:8]...) // the request that this responds to
		out = binary.LittleEndian.AppendUint32(out, 2013)
		out = append(out, 0, 0, 0, 0, 0)
		if _, err := conn.Write(append(out, document...)); err != nil {
			return
		}
	}
}

func (m *member) become(state string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.state = state
}

// startMember gives the database admin of a member.
func startMember(t *testing.T, state string) (*member, *mongo.Database) {
	t.Helper()
	m := &member{state: state}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go m.serve(conn)
		}
	}()
	client, err := mongo.Connect(options.Client().SetHosts([]string{listener.Addr().String()}).SetDirect(true).
		SetServerSelectionTimeout(5 * time.Second).SetServerMonitoringMode("poll").
		SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion1))) // or the first message would be of an older kind
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		hangUp(client)
		_ = listener.Close()
	})
	return m, client.Database(adminDB)
}

// A new server is told to be a replica set once, and counts as ready when it takes writes.
func TestReplicaSetOfOne(t *testing.T) {
	m, admin := startMember(t, "new")
	for range 2 {
		if err := ensurePrimary(t.Context(), admin); !errors.Is(err, errNotPrimary) {
			t.Fatalf("before it takes writes: %v", err)
		}
	}
	if m.initiation != 1 {
		t.Errorf("it was initiated %d times", m.initiation)
	}
	var config struct {
		ID      string `bson:"_id"`
		Members []struct {
			ID   int    `bson:"_id"`
			Host string `bson:"host"`
		} `bson:"members"`
	}
	if err := bson.Unmarshal(m.initiated, &config); err != nil {
		t.Fatal(err)
	}
	if config.ID != "rs0" || len(config.Members) != 1 || config.Members[0].Host != "127.0.0.1:27017" {
		t.Errorf("it was initiated as %+v", config)
	}
	m.become("primary")
	if err := ensurePrimary(t.Context(), admin); err != nil {
		t.Errorf("when it takes writes: %v", err)
	}
}

// Just after a restart, a server looks like a new one.
func TestReplicaSetAfterRestart(t *testing.T) {
	m, admin := startMember(t, "reading")
	if err := ensurePrimary(t.Context(), admin); !errors.Is(err, errNotPrimary) {
		t.Errorf("while it reads its configuration: %v", err)
	}
	m.become("primary")
	if err := ensurePrimary(t.Context(), admin); err != nil || m.initiation != 0 {
		t.Errorf("afterwards: %v, initiated %d times", err, m.initiation)
	}
}
