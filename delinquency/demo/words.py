"""Words of which the town is made; all of it is invented."""

FIRST_NAMES = (
    "Ada", "Alma", "Amos", "Anton", "Beryl", "Bruno", "Cara", "Cleo", "Dario", "Della", "Edda", "Elio",
    "Enid", "Ezra", "Fay", "Felix", "Gilda", "Hana", "Hugo", "Ines", "Iris", "Jonas", "Juna", "Kaya",
    "Klara", "Leon", "Lidia", "Luca", "Mara", "Milo", "Nadia", "Nils", "Nora", "Odell", "Olive", "Otto",
    "Petra", "Quinn", "Remo", "Rosa", "Ruben", "Selma", "Silas", "Tilda", "Timo", "Ursa", "Vera", "Wanda",
    "Xenia", "Yara", "Zeno",
)  # fmt: skip
LAST_NAMES = (
    "Alder", "Ashcombe", "Barrow", "Bellfield", "Birchall", "Brookner", "Calloway", "Cedarholm",
    "Copperhill", "Dalewood", "Elmhurst", "Fairbrook", "Fernleigh", "Foxhall", "Garrow", "Glenmoor",
    "Hartwell", "Hazelby", "Hollins", "Ivesdale", "Juniper", "Kestrel", "Larkmead", "Lindqvale", "Marlow",
    "Meadowes", "Northam", "Oakhurst", "Orchard", "Pinewood", "Quarrier", "Ravenhill", "Redfern",
    "Rowanby", "Sandholm", "Sedgewick", "Stonebrook", "Thornley", "Underhill", "Vinebrook", "Wetherall",
    "Willowby", "Winterbourne", "Yarrow",
)  # fmt: skip
TRADES = (
    "Bakery", "Bike Works", "Bookshop", "Brewing", "Carpentry", "Cheese", "Clinic", "Coffee", "Dental",
    "Design", "Electric", "Farm Supply", "Fitness", "Flowers", "Garage", "Hardware", "Hotel", "Joinery",
    "Laundry", "Law Office", "Logistics", "Machine Shop", "Market", "Nursery", "Outfitters", "Pharmacy",
    "Pottery", "Print House", "Roofing", "Sawmill", "Surveying", "Tailors", "Theatre", "Travel",
    "Veterinary", "Winery",
)  # fmt: skip
STREETS = (
    "Alder Lane", "Bridge Street", "Cannery Row", "Church Street", "Cooper's Yard", "Depot Road",
    "Ferry Road", "Hill Road", "Mill Lane", "Orchard Avenue", "Quarry Road", "Ridge Drive", "River Street",
    "School Street", "Spring Street", "Station Road", "Summit Way", "Tanner's Court", "Vale Road",
    "Weir Street",
)  # fmt: skip
TOWNS = ("Upper Valley", "Lower Valley", "Millbridge", "Stonebrook")
