package portal

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mydb-project/mydb/core"
)

// siteMetrics shows the state of the site as it is in the catalogue, so that every portal shows the same. Databases go by their ids.
type siteMetrics struct {
	gauges func(context.Context) (core.Gauges, error)
	log    *slog.Logger
}

var (
	instancesDesc   = prometheus.NewDesc("mydb_instances", "Databases by engine and state.", []string{"engine", "state"}, nil)
	instanceUpDesc  = prometheus.NewDesc("mydb_instance_up", "Whether a database that should be running answered when it was measured last.", []string{"id"}, nil)
	bytesDesc       = prometheus.NewDesc("mydb_instance_bytes", "Size of a database's server on disk.", []string{"id"}, nil)
	connectionsDesc = prometheus.NewDesc("mydb_instance_connections", "Connections of clients to a database's server.", []string{"id"}, nil)
	backupAgeDesc   = prometheus.NewDesc("mydb_backup_age_seconds", "Age of the newest good backup of a database that is backed up; its own age when it has none.", []string{"id"}, nil)
	findingsDesc    = prometheus.NewDesc("mydb_findings", "Findings that are open, by kind and severity.", []string{"kind", "severity"}, nil)
	jobsDesc        = prometheus.NewDesc("mydb_jobs", "Jobs in the queue, by state.", []string{"state"}, nil)
	catalogueDesc   = prometheus.NewDesc("mydb_catalogue_backup_age_seconds", "Age of the newest good backup of MyDB's own database.", nil, nil)
	orphansDesc     = prometheus.NewDesc("mydb_store_orphans", "Places in the store of backups that belong to no backup, as of the newest look.", nil, nil)
	orphanBytesDesc = prometheus.NewDesc("mydb_store_orphan_bytes", "Bytes in these places.", nil, nil)
	lookAgeDesc     = prometheus.NewDesc("mydb_store_look_age_seconds", "Since the newest look at everything in the store of backups.", nil, nil)
	heartbeatDesc   = prometheus.NewDesc("mydb_heartbeat_age_seconds", "Since the guard of backups has reached its heartbeat URL; absent while it never has.", nil, nil)
	heartbeatUpDesc = prometheus.NewDesc("mydb_heartbeat_up", "Whether the newest attempt at the heartbeat URL arrived.", nil, nil)
	pausedDesc      = prometheus.NewDesc("mydb_site_paused", "1 while nothing is healed: the site is paused, or was recovered and nobody has accepted that.", nil, nil)
	unacceptedDesc  = prometheus.NewDesc("mydb_recovery_unaccepted", "1 while nothing is removed or stopped by itself, because MyDB was recovered and nobody has accepted that.", nil, nil)
)

// Describe implements prometheus.Collector.
func (siteMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		instancesDesc, instanceUpDesc, bytesDesc, connectionsDesc, backupAgeDesc, findingsDesc, jobsDesc, catalogueDesc, pausedDesc, unacceptedDesc,
		orphansDesc, orphanBytesDesc, lookAgeDesc, heartbeatDesc, heartbeatUpDesc,
	} {
		c <- d
	}
}

// Collect implements prometheus.Collector. A catalogue that does not answer leaves these values out, and no others.
func (m siteMetrics) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	g, err := m.gauges(ctx)
	if err != nil {
		m.log.Warn("the site could not be measured", "error", err)
		return
	}
	show := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, x := range g.Instances {
		show(instancesDesc, float64(x.N), x.Engine, string(x.State))
	}
	for _, x := range g.Measured {
		show(instanceUpDesc, truth(x.Up), x.ID)
		if x.Bytes != nil {
			show(bytesDesc, float64(*x.Bytes), x.ID)
		}
		if x.Connections != nil {
			show(connectionsDesc, float64(*x.Connections), x.ID)
		}
	}
	for _, x := range g.Backups {
		show(backupAgeDesc, x.Age, x.ID)
	}
	for _, x := range g.Findings {
		show(findingsDesc, float64(x.N), x.Kind, string(x.Severity))
	}
	for _, x := range g.Jobs {
		show(jobsDesc, float64(x.N), x.State)
	}
	if g.Catalogue != nil {
		show(catalogueDesc, *g.Catalogue)
	}
	show(pausedDesc, truth(g.Paused))
	show(unacceptedDesc, truth(g.Unaccepted))
	if x := g.Store; x != nil {
		show(orphansDesc, float64(x.Orphans))
		show(orphanBytesDesc, float64(x.Bytes))
		show(lookAgeDesc, time.Since(x.At).Seconds())
	}
	if x := g.Heartbeat; x != nil {
		show(heartbeatUpDesc, truth(x.Problem == ""))
		if x.SentAt != nil {
			show(heartbeatDesc, time.Since(*x.SentAt).Seconds())
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
