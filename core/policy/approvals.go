package policy

// Approvals is who decides what somebody else has asked for, beside the administrators.
type Approvals struct {
	// Sizes are the size classes that people who are no administrators get only with an approval.
	Sizes []string `yaml:"sizes"`
	// Deputies are logins of people who are no administrators, and decide like them.
	Deputies []string `yaml:"deputies"`
	// BreakGlass lets the only administrator of a site approve what they have asked for themselves, while nobody else could: with a
	// reason, which is recorded and told to the owner.
	BreakGlass bool `yaml:"break_glass"`
}
